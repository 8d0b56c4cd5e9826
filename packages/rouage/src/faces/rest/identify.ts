/**
 * Who is calling: the first authentication policy that recognises the request decides who it is; what the same request proves to the
 * policies behind it counts as further principals.
 */
import type { AuthenticationPolicy } from "../../auth/policy.ts";
import { ServiceError } from "../../errors.ts";
import type { HttpRequest } from "../../http.ts";
import { anonymous, type Principal } from "../../principal.ts";
import type { Metrics } from "../../telemetry/metrics.ts";

/**
 * Answers without a promise as long as the policies do. Credentials that one policy refuses may be another's: the refusal holds when no policy accepts
 * them. An error that is no refusal (too many tries, a provider that is away) ends the search, because the answer behind it would be a guess.
 * @throws ServiceError with status 401, or what a policy failed with
 */
export function identifier(
  policies: readonly AuthenticationPolicy[],
  metrics: Pick<Metrics, "counter">,
): (request: HttpRequest) => Principal | Promise<Principal> {
  const counted = policies.map((policy) => countedPolicy(policy, metrics));
  const [only] = counted;
  if (only === undefined) return () => anonymous;
  if (counted.length === 1) return (request) => single(only(request));
  return (request) => search(counted, 0, request, undefined);
}

type Authenticate = AuthenticationPolicy["authenticate"];

function single(answer: ReturnType<Authenticate>): Principal | Promise<Principal> {
  return answer instanceof Promise ? answer.then(orAnonymous) : (answer ?? anonymous);
}

function orAnonymous(principal: Principal | undefined): Principal {
  return principal ?? anonymous;
}

/** From the policy at `index` on; `refusal` is what an earlier one said. */
function search(
  policies: readonly Authenticate[],
  index: number,
  request: HttpRequest,
  refusal: ServiceError | undefined,
): Principal | Promise<Principal> {
  for (let at = index; at < policies.length; at++) {
    const answer = attempt(policies[at], request);
    if (answer === undefined) continue;
    if (answer instanceof Promise)
      return answer.then((settled) =>
        settled === undefined || ServiceError.is(settled)
          ? search(policies, at + 1, request, refusal ?? settled)
          : joined(policies, at + 1, request, settled),
      );
    if (ServiceError.is(answer)) refusal ??= answer;
    else return joined(policies, at + 1, request, answer);
  }
  if (refusal !== undefined) throw refusal;
  return anonymous;
}

type Attempt = Principal | ServiceError | undefined;

/** A refusal as a value; other errors are thrown. */
function attempt(policy: Authenticate | undefined, request: HttpRequest): Attempt | Promise<Attempt> {
  try {
    const answer = policy?.(request);
    return answer instanceof Promise ? answer.catch(refusalOf) : answer;
  } catch (error) {
    return refusalOf(error);
  }
}

function refusalOf(error: unknown): ServiceError {
  if (isRefusal(error)) return error;
  throw error;
}

function isRefusal(error: unknown): error is ServiceError {
  return ServiceError.is(error) && error.kind.status === 401;
}

/** The principal, with what the remaining policies recognise in the same request. What they refuse or fail at adds nothing. */
function joined(
  policies: readonly Authenticate[],
  index: number,
  request: HttpRequest,
  principal: Principal,
): Principal | Promise<Principal> {
  let known = principal;
  for (let at = index; at < policies.length; at++) {
    let answer: ReturnType<Authenticate>;
    try {
      answer = policies[at]?.(request);
    } catch (error) {
      if (!ServiceError.is(error)) throw error;
      continue;
    }
    if (answer instanceof Promise) {
      const sofar = known;
      return answer.then(
        (other) => joined(policies, at + 1, request, united(sofar, other)),
        (error: unknown) => {
          if (!ServiceError.is(error)) throw error;
          return joined(policies, at + 1, request, sofar);
        },
      );
    }
    known = united(known, answer);
  }
  return known;
}

function united(principal: Principal, other: Principal | undefined): Principal {
  if (other?.id === undefined) return principal;
  const added = [other.id, ...(other.principals ?? [])];
  return { ...principal, principals: [...new Set([...(principal.principals ?? []), ...added])] };
}

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
    if (isRefusal(error)) return anonymous;
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
