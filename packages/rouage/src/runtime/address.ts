/** Where a server listens, and what is said to the operator when it cannot. */

export interface Address {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** What went wrong when an address was to be listened on. */
export interface AddressError {
  readonly code?: string | undefined;
  readonly message: string;
}

export function addressFailure({ code, message }: AddressError, { host, port }: Address): Error {
  const where = `${host}:${port}`;
  if (code === "EADDRINUSE")
    return new Error(`${where} is in use by another process; choose another with the setting "port"`);
  if (code === "EACCES") return new Error(`${where} may not be listened on by this user; choose a "port" from 1024`);
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
    return new Error(`${where} is no address of this machine; check the setting "host"`);
  return new Error(`${where} cannot be listened on: ${message}`);
}
