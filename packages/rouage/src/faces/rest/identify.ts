/** Who is calling: the first authentication policy that recognises the request wins. */
import type { AuthenticationPolicy } from "../../auth/policy.ts";
import { ServiceError } from "../../errors.ts";
import type { HttpRequest } from "../../http.ts";
import { anonymous, type Principal } from "../../principal.ts";
import type { Metrics } from "../../telemetry/metrics.ts";

/** Answers without a promise as long as the policies do. @throws ServiceError `invalid-credentials` */
export function identifier(
  policies: readonly AuthenticationPolicy[],
  metrics: Pick<Metrics, "counter">,
): (request: HttpRequest) => Principal | Promise<Principal> {
  const counted = policies.map((policy) => countedPolicy(policy, metrics));
  return (request) => {
    for (let index = 0; index < counted.length; index++) {
      const answer = counted[index]?.(request);
      if (answer === undefined) continue;
      if (!(answer instanceof Promise)) return answer;
      return answer.then((principal) => principal ?? identifyFrom(counted, index + 1, request));
    }
    return anonymous;
  };
}

type Authenticate = AuthenticationPolicy["authenticate"];

/** The policy, counting what became of the requests that it recognised. */
function countedPolicy(policy: AuthenticationPolicy, metrics: Pick<Metrics, "counter">): Authenticate {
  const count = (outcome: string) =>
    metrics.counter(
      "authentication_total",
      "Requests by authentication policy: accepted, refused (credentials that are not valid), failed (an error of the policy)",
      { policy: policy.name, outcome },
    );
  const accepted = count("accepted");
  const refused = count("refused");
  const failed = count("failed");

  function thrown(error: unknown): never {
    (ServiceError.is(error) && error.kind.status < 500 ? refused : failed).add();
    throw error;
  }

  function known(principal: Principal | undefined): Principal | undefined {
    if (principal !== undefined) accepted.add();
    return principal;
  }

  return (request) => {
    try {
      const answer = policy.authenticate(request);
      return answer instanceof Promise ? answer.then(known, thrown) : known(answer);
    } catch (error) {
      return thrown(error);
    }
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
  policies: readonly Authenticate[],
  first: number,
  request: HttpRequest,
): Promise<Principal> {
  for (const policy of policies.slice(first)) {
    const principal = await policy(request);
    if (principal !== undefined) return principal;
  }
  return anonymous;
}
