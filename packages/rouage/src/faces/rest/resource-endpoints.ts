/** The endpoints of one resource: requests become operations; what is answered is made by `resource-answers.ts`. */
import { invalid } from "../../errors.ts";
import type { Json } from "../../json.ts";
import { decide, refusal } from "../../operations/access.ts";
import type { OperationContext } from "../../operations/context.ts";
import type { DeleteListRequest, ResourceOperations, Target } from "../../operations/operations.ts";
import { type Action, effectiveRules } from "../../operations/rules.ts";
import type { Resource } from "../../resource.ts";
import type { Settings } from "../../settings.ts";
import { type JsonBody, jsonType, readJson, unsupported } from "./body.ts";
import { endpointDefaults } from "./endpoint.ts";
import { envelopeReader, patchTypes } from "./envelope.ts";
import type { Answer, Endpoint, Exchange } from "./exchange.ts";
import { fieldsOf } from "./fields.ts";
import type { EndpointKind } from "./headers.ts";
import { parseFields, parseListQuery } from "./list-query.ts";
import { parseQueryBody } from "./list-query-body.ts";
import type { Nonces } from "./nonces.ts";
import { behaviorOf, type Question, questionOf, wishedRevision } from "./object-query.ts";
import type { PageToken } from "./page-token.ts";
import { preconditionsOf } from "./preconditions.ts";
import { parseQueryString } from "./query-string.ts";
import { resourceAnswers } from "./resource-answers.ts";

export interface ResourceEndpointParts {
  readonly settings: Settings;
  /** `/v1` */
  readonly prefix: string;
  readonly nonces: Nonces;
  readonly httpDate: (milliseconds: number) => string;
}

const jsonTypes: readonly string[] = [jsonType];

type Params = Readonly<Record<string, string>>;
type Method = NonNullable<Resource["options"]["disabled"]>[number];

export function resourceEndpoints(
  resource: Resource,
  operations: ResourceOperations,
  { settings, prefix, nonces, httpDate }: ResourceEndpointParts,
): readonly Endpoint[] {
  const { options, name } = resource;
  const fields = fieldsOf(resource);
  const rules = effectiveRules(options);
  const limits = { size: settings.body_limit, depth: settings.body_depth };
  const singleton = options.singleton === true;
  const { sharing } = options;
  // Only hooks are code of users in a create: where there are none, the context that may be copied is not made.
  const contextOfCreate: (exchange: Exchange) => OperationContext =
    options.hooks === undefined ? (exchange) => exchange : (exchange) => exchange.context();
  const reader = envelopeReader(sharing !== undefined && (sharing === true || sharing.settable !== false));

  /** Revisions of a list may be ahead of a clock that was set back: clients may ask about them all the same. */
  const grammar = (exchange: Exchange, revision = 0) => ({
    fields,
    principal: exchange.principal,
    now: Math.max(exchange.clock.now(), revision),
    depth: settings.body_depth,
  });

  const queryOptions = (exchange: Exchange, body: Json | undefined) => (revision: number) => {
    const { options: query, deprecatedTo } = parseQueryBody(
      body,
      parseQueryString(exchange.search),
      grammar(exchange, revision),
    );
    if (deprecatedTo) exchange.deprecation = deprecatedToText;
    return query;
  };

  function parsedList(exchange: Exchange, revision: number) {
    const parsed = parseListQuery(parseQueryString(exchange.search), grammar(exchange, revision));
    if (parsed.deprecatedTo) exchange.deprecation = deprecatedToText;
    return parsed;
  }

  const listOptions = (exchange: Exchange, total?: true) => (revision: number) => {
    const { options: query } = parsedList(exchange, revision);
    return total === true ? { ...query, total } : query;
  };

  /** What is deleted, and that its page is deleted once. */
  function deletion(exchange: Exchange): Pick<DeleteListRequest, "query" | "confirm"> {
    let token: PageToken | undefined;
    return {
      query(revision) {
        const parsed = parsedList(exchange, revision);
        token = parsed.token;
        const { tombstones: _, ...alive } = parsed.options;
        return alive;
      },
      async confirm() {
        if (token === undefined || (token.nonce !== undefined && (await nonces.consume(token.nonce)))) return;
        throw invalid({
          location: "querystring",
          name: "_token",
          description: "_token was already used or has expired.",
          code: "used-token",
        });
      },
    };
  }

  const answers = resourceAnswers({ cacheSeconds: options.cacheSeconds, settings, nonces, httpDate });

  async function explained(exchange: Exchange, params: Params, question: Question): Promise<Answer> {
    return answers.explanation(await operations.explain(exchange.context(), targetOf(params), question));
  }

  /**
   * A caller who may not write at all is told so, and not what is wrong with the body. Of a shared resource that is known only once
   * the object is.
   */
  function toldFirst({ principal }: Exchange, actions: readonly Action[], error: unknown): unknown {
    const isRefused = sharing === undefined && actions.every((action) => decide(rules[action], principal) === false);
    return isRefused ? refusal(principal) : error;
  }

  async function read(exchange: Exchange, types: readonly string[], actions: readonly Action[]) {
    try {
      return await readJson(exchange, types, limits);
    } catch (error) {
      throw toldFirst(exchange, actions, error);
    }
  }

  const handlers: Readonly<Record<Method | "listHead" | "query", Endpoint["run"]>> = {
    list: async (exchange, params) =>
      answers.list(
        exchange,
        { params },
        await operations.list(
          exchange.context(),
          { params },
          {
            ...preconditionsOf(exchange.request),
            query: listOptions(exchange),
          },
        ),
      ),

    listHead: async (exchange, params) =>
      answers.list(
        exchange,
        { params },
        await operations.list(
          exchange.context(),
          { params },
          {
            ...preconditionsOf(exchange.request),
            query: listOptions(exchange, true),
          },
        ),
      ),

    async query(exchange, params) {
      const conditions = preconditionsOf(exchange.request);
      const body = await read(exchange, jsonTypes, ["list"]);
      // RFC 10008 §2: content without its type is not to be guessed.
      if (body !== undefined && exchange.request.header("content-type") === undefined) throw unsupported(jsonTypes);
      const query = queryOptions(exchange, body?.value);
      return answers.list(
        exchange,
        { params },
        await operations.list(exchange.context(), { params }, { ...conditions, query }),
      );
    },

    get(exchange, params) {
      const conditions = preconditionsOf(exchange.request);
      if (sharing !== undefined && exchange.search !== "") {
        const question = questionOf(exchange.search);
        if (question !== undefined) return explained(exchange, params, question);
      }
      const request =
        exchange.search === ""
          ? conditions
          : { ...conditions, fields: () => parseFields(parseQueryString(exchange.search), grammar(exchange)) };
      const target = targetOf(params);
      const result = operations.get(exchange, target, request);
      if (result instanceof Promise) return result.then((object) => answers.object(exchange, target, object));
      return answers.object(exchange, target, result);
    },

    async create(exchange, params) {
      const conditions = preconditionsOf(exchange.request);
      let body: JsonBody | undefined;
      // As `read` does, without its promise.
      try {
        body = await readJson(exchange, jsonTypes, limits);
      } catch (error) {
        throw toldFirst(exchange, ["create"], error);
      }
      const posted = { ...conditions, ...reader.envelope(body) };
      const result = await operations.create(contextOfCreate(exchange), { params }, posted);
      return answers.write(result, result.kind === "created" ? `${exchange.path}/${asSegment(result.id)}` : undefined);
    },

    async replace(exchange, params) {
      const conditions = preconditionsOf(exchange.request);
      const envelope = reader.envelope(await read(exchange, jsonTypes, ["replace", "create"]));
      return answers.write(
        await operations.replace(exchange.context(), targetOf(params), { ...conditions, ...envelope }),
      );
    },

    async patch(exchange, params) {
      const conditions = preconditionsOf(exchange.request);
      const behavior = behaviorOf(exchange.request.header("response-behavior"));
      const patch = reader.patch(await read(exchange, patchTypes, ["patch"]));
      return answers.write(
        await operations.patch(exchange.context(), targetOf(params), {
          ...conditions,
          patch,
          ...(behavior === undefined ? {} : { behavior }),
        }),
      );
    },

    async delete(exchange, params) {
      const conditions = preconditionsOf(exchange.request);
      const revision = wishedRevision(exchange.search);
      const result = await operations.delete(exchange.context(), targetOf(params), {
        ...conditions,
        ...(revision === undefined ? {} : { revision }),
      });
      return answers.write({ kind: "updated", ...result });
    },

    async deleteList(exchange, params) {
      const result = await operations.deleteList(
        exchange.context(),
        { params },
        {
          ...preconditionsOf(exchange.request),
          ...deletion(exchange),
        },
      );
      return answers.deletion(exchange, result);
    },
  };

  function targetOf(params: Params): Target {
    const { id } = params;
    return id === undefined || singleton ? { params } : { params, id };
  }

  const switchedOff = new Set(settings.disabled_endpoints);
  function endpoint(kind: EndpointKind, method: string, operation: keyof typeof handlers): Endpoint {
    const plural = kind !== "object";
    const action: Method = operation === "listHead" || operation === "query" ? "list" : operation;
    const scope = `${plural ? "plural" : "object"}_${name}`;
    const vacant = options.disabled?.includes(action) === true;
    const enabled =
      !vacant &&
      !switchedOff.has(`${scope}_${method.toLowerCase()}`) &&
      !(readsLikeGet.has(method) && switchedOff.has(`${scope}_get`)) &&
      !(settings.readonly && method !== "GET" && !readsLikeGet.has(method));
    return {
      ...endpointDefaults,
      method,
      path: prefix + (plural ? resource.listPath : resource.objectPath),
      name: `${name}.${action}`,
      declaredBy: `resource ${name}`,
      kind,
      enabled,
      vacant,
      run: handlers[operation],
    };
  }

  return [
    ...(singleton
      ? []
      : [
          endpoint("list", "GET", "list"),
          endpoint("list-head", "HEAD", "listHead"),
          endpoint("list", "QUERY", "query"),
          endpoint("list", "POST", "create"),
          endpoint("list", "DELETE", "deleteList"),
        ]),
    endpoint("object", "GET", "get"),
    endpoint("object", "HEAD", "get"),
    endpoint("object", "PUT", "replace"),
    endpoint("object", "PATCH", "patch"),
    endpoint("object", "DELETE", "delete"),
  ];
}

/** Served and switched off as GET is. */
const readsLikeGet: ReadonlySet<string> = new Set(["HEAD", "QUERY"]);
const deprecatedToText = "_to is now deprecated, you should use _before instead";

/** Most ids are the same in a URL. */
function asSegment(id: string): string {
  return /^[\w.~-]*$/.test(id) ? id : encodeURIComponent(id);
}
