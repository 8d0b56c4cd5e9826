/** An authentication policy: recognises one kind of credentials. Policies are tried in the order a service lists them. */
import type { HttpRequest } from "../http.ts";
import type { Principal } from "../principal.ts";

export interface AuthenticationPolicy {
  /** Short name, shown in hello's capabilities and in `Principal.policy`. */
  readonly name: string;
  /** Value for `WWW-Authenticate` when nothing was recognised, for example `Bearer realm="urgence"`. */
  readonly challenge?: string;
  /** The OpenAPI security scheme object of these credentials. */
  readonly securityScheme: Readonly<Record<string, unknown>>;
  /**
   * The caller; undefined when the request carries no credentials of this kind. May answer at once when it can.
   * @throws ServiceError `invalid-credentials` when it carries some and they are not valid.
   */
  authenticate(request: HttpRequest): Principal | undefined | Promise<Principal | undefined>;
}
