/** `POST /aml`: always answers 2xx, as the network expects: 200 accepted, 202 rejected with the reason. Numbers are hashed, never logged. */
import { type Clock, type HttpRequest, type Logger, type Principal, ServiceError, type TraceContext } from "rouage";
import type { Cache } from "rouage/cache";
import { clientAddress } from "../../shared/client.ts";
import { phoneHash, toE164 } from "../../shared/phone.ts";
import { sharedWindow } from "../../shared/shared-window.ts";
import { amlLimit } from "./aml/attributes.ts";
import { receiveAml } from "./aml/intake.ts";
import { type AmlRejected, rejected } from "./aml/message.ts";
import type { AmlInbox } from "./aml-inbox.ts";

export interface AmlHandlerOptions {
  readonly inbox: AmlInbox;
  readonly cache: Cache;
  readonly clock: Clock;
  readonly log: Logger;
  readonly phoneHashKey: Uint8Array;
  readonly country?: string;
  readonly amlSecret?: string;
  readonly amlPerMinute?: number;
}

export interface AmlCall {
  readonly request: HttpRequest;
  readonly principal: Principal;
  readonly requestId: string;
  readonly trace?: TraceContext | undefined;
}

export interface AmlAnswer {
  readonly status: 200 | 202;
  readonly body: object;
}

export function amlHandler(options: AmlHandlerOptions): (call: AmlCall) => Promise<AmlAnswer> {
  const { inbox, cache, clock, log, phoneHashKey, country = "FR", amlSecret, amlPerMinute = 600 } = options;
  const window = sharedWindow({
    ...{ cache, clock, log, name: "messages of addresses" },
    limit: amlPerMinute,
    windowMs: 60_000,
  });
  const refuse = ({ reason, problems }: AmlRejected): AmlAnswer => {
    log.warn({ reason, attributes: problems.map(({ attribute }) => attribute) }, "an AML message was rejected");
    return { status: 202, body: { data: { status: "rejected", reason, problems } } };
  };

  return async ({ request, principal, requestId, trace }) => {
    const address = clientAddress(request, principal.roles) ?? "unknown";
    if (!(await window.take(address)).ok) return refuse(rejected("rate-limited"));
    let body: string;
    try {
      body = new TextDecoder().decode(await request.body(amlLimit));
    } catch (error) {
      if (ServiceError.is(error) && error.code === "body-too-large") return refuse(rejected("too-large"));
      throw error;
    }
    const sender = request.header("x-aml-sender");
    const signature = request.header("x-aml-signature");
    const report = receiveAml({ body, sender, signature }, amlSecret, clock.now());
    if (report.kind === "rejected") return refuse(report);

    const number = report.phone === undefined ? undefined : toE164(report.phone, country);
    if (number !== undefined) {
      try {
        await inbox.accept(phoneHash(phoneHashKey, number), report.position, { requestId, trace });
      } catch (error) {
        log.error({ error: String(error) }, "an AML message could not be stored");
        return refuse(rejected("unavailable"));
      }
    }
    const { coordinates, accuracy, source, fix_time, stale } = report.position;
    const understood = { coordinates, accuracy, source, fix_time, stale };
    // Whether anybody has registered the number is not told.
    const number_read = number !== undefined;
    return {
      status: 200,
      body: { data: { status: "accepted", version: report.message.version, number_read, position: understood } },
    };
  };
}
