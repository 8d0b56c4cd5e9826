/**
 * An AML request as it arrives: HTTPS form, SMS text as `text/plain`, or SMS text in a form field of a gateway. Finds the form,
 * checks the signature, parses. Pure and total.
 */
import { checkPosition, type Position } from "../position.ts";
import { amlLimit } from "./attributes.ts";
import { formAttributes, httpsVersion1 } from "./https.ts";
import { type AmlMessage, type AmlRejected, type AmlResult, rejected } from "./message.ts";
import { signatureState } from "./signature.ts";
import { parseSms, smsHeader } from "./sms.ts";

export interface AmlRequest {
  readonly body: string;
  /** `x-aml-sender`: the number the SMS came from, as the gateway knows it. */
  readonly sender?: string | undefined;
  /** `x-aml-signature`: hex HMAC-SHA-256 of the body. */
  readonly signature?: string | undefined;
}

export interface AmlReport {
  readonly kind: "report";
  readonly message: AmlMessage;
  readonly position: Position;
  /** Number of the handset as it was written; to be hashed before anything else happens to it. */
  readonly phone: string | undefined;
}

/** Form fields in which SMS gateways put the text and the sender. */
const textFields = ["message", "text", "sms", "body"] as const;
const senderFields = ["device_number", "from", "sender", "msisdn"] as const;

export function receiveAml(request: AmlRequest, secret: string | undefined, now: number): AmlReport | AmlRejected {
  if (request.body.length > amlLimit) return rejected("too-large");
  const signature = secret === undefined ? "none" : signatureState(request.body, request.signature, secret);
  if (signature === "wrong") return rejected("wrong-signature");
  if (signature === "missing") return rejected("unsigned");

  const parsed = parseRequest(request);
  if (parsed.result.kind === "rejected") return parsed.result;
  const { message } = parsed.result;
  const { position, violations } = checkPosition(toInput(message), {
    now,
    origin: "aml",
    authenticated: signature === "right",
  });
  if (position === undefined) {
    const future = violations.some((violation) => violation.code === "future");
    return rejected(
      future ? "time-in-future" : "invalid-attribute",
      ...violations.map(({ name, description }) => ({ attribute: name ?? "", description })),
    );
  }
  return { kind: "report", message, position, phone: message.phone ?? parsed.sender };
}

function parseRequest({ body, sender }: AmlRequest): { result: AmlResult; sender: string | undefined } {
  if (body.trimStart().startsWith(smsHeader)) return { result: parseSms(body), sender };
  const form = formAttributes(body);
  if (form === undefined)
    return { result: rejected("malformed", { attribute: "v", description: "too many attributes" }), sender };
  const first = (names: readonly string[]) => names.map((name) => form.get(name)).find((value) => value !== undefined);
  const text = first(textFields);
  if (text !== undefined) return { result: parseSms(text), sender: sender ?? first(senderFields) };
  if (!form.has("v") && ![...form.keys()].some((name) => name.startsWith("location_")))
    return { result: rejected("malformed", { attribute: "v", description: "is missing" }), sender };
  return { result: httpsVersion1(form), sender };
}

function toInput(message: AmlMessage) {
  const { latitude, longitude, altitude, accuracy, verticalAccuracy, confidence, source, bearing, speed, fixTime } =
    message;
  return {
    coordinates: altitude === undefined ? [longitude, latitude] : [longitude, latitude, altitude],
    source,
    fix_time: new Date(Math.min(fixTime, 8.64e15)).toISOString(),
    ...(accuracy === undefined ? {} : { accuracy }),
    ...(verticalAccuracy === undefined ? {} : { altitude_accuracy: verticalAccuracy }),
    ...(confidence === undefined ? {} : { confidence }),
    ...(bearing === undefined ? {} : { heading: bearing }),
    ...(speed === undefined ? {} : { speed }),
  };
}
