/** Who is calling: the first authentication policy that recognises the request wins. */
import type { AuthenticationPolicy } from "../../auth/policy.ts";
import { ServiceError } from "../../errors.ts";
import type { HttpRequest } from "../../http.ts";
import { anonymous, type Principal } from "../../principal.ts";

/** Answers without a promise as long as the policies do. @throws ServiceError `invalid-credentials` */
export function identifier(
  policies: readonly AuthenticationPolicy[],
): (request: HttpRequest) => Principal | Promise<Principal> {
  return (request) => {
    for (let index = 0; index < policies.length; index++) {
      const answer = policies[index]?.authenticate(request);
      if (answer === undefined) continue;
      if (!(answer instanceof Promise)) return answer;
      return answer.then((principal) => principal ?? identifyFrom(policies, index + 1, request));
    }
    return anonymous;
  };
}

/** The same, where credentials that are not valid count as none. */
export function lenient(identify: ReturnType<typeof identifier>): ReturnType<typeof identifier> {
  const anonymousIfInvalid = (error: unknown): Principal => {
    if (ServiceError.is(error) && error.code === "invalid-credentials") return anonymous;
    throw error;
  };
  return (request) => {
    try {
      const answer = identify(request);
      return answer instanceof Promise ? answer.catch(anonymousIfInvalid) : answer;
    } catch (error) {
      return anonymousIfInvalid(error);
    }
  };
}

async function identifyFrom(
  policies: readonly AuthenticationPolicy[],
  first: number,
  request: HttpRequest,
): Promise<Principal> {
  for (const policy of policies.slice(first)) {
    const principal = await policy.authenticate(request);
    if (principal !== undefined) return principal;
  }
  return anonymous;
}
