/** The driver, loaded when a URL asks for it: who keeps nothing in MongoDB need not install it. */

export type Driver = typeof import("mongodb");

/** What is known here of a connection of the driver. */
interface DriverConnection {
  readonly socket?: { readonly destroyed?: boolean };
  readonly closed?: boolean;
  throwIfAborted?(this: DriverConnection): void;
  onClose?(this: DriverConnection): void;
}

let loading: Promise<Driver> | undefined;

/** @throws Error that says what to install */
export function loadDriver(): Promise<Driver> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Driver> {
  try {
    const driver = await import("mongodb");
    await mend();
    return driver;
  } catch (cause) {
    loading = undefined;
    throw new Error("storage in MongoDB needs the package mongodb: npm install mongodb", { cause });
  }
}

/**
 * The driver (7.9) may use a connection whose socket is gone already, as long as it has not been told. What it writes then is neither refused nor
 * answered, ever: when a server dies the question whether it is there is such a write, and the driver does not ask again. So a connection looks
 * at its socket before it is used.
 */
async function mend(): Promise<void> {
  const path = "mongodb/lib/cmap/connection.js";
  const { Connection } = (await import(path)) as { readonly Connection?: { readonly prototype: DriverConnection } };
  const { prototype } = Connection ?? {};
  const check = prototype?.throwIfAborted;
  if (prototype === undefined || check === undefined || prototype.onClose === undefined) return;
  prototype.throwIfAborted = function throwIfGone() {
    if (this.closed !== true && this.socket?.destroyed === true) this.onClose?.();
    check.call(this);
  };
}
