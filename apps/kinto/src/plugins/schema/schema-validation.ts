/**
 * `experimental_collection_schema_validation`: the schema of a collection holds for its records, those of a bucket (`record:schema`,
 * `collection:schema`, `group:schema`) for what is in it.
 */
import {
  type Hooks,
  type JsonObject,
  type PendingWrite,
  type ServiceContext,
  type Violation,
  violationError,
} from "rouage";
import type { KintoPlugin } from "../kinto-plugin.ts";
import type { SchemaFault } from "./schema-thread-job.ts";
import { type SchemaValidator, schemaValidator } from "./schema-validator.ts";

export const schemaValidation: KintoPlugin = {
  includes: [],
  isOn: (reader) => reader.boolean("experimental_collection_schema_validation") === true,

  create() {
    const validator = schemaValidator();
    return {
      plugin: {
        name: "schema",
        capabilities: {
          schema: {
            description: "Validates collection records with JSON schemas.",
            url: "https://kinto.readthedocs.io/en/latest/api/1.x/collections.html#collection-json-schema",
          },
        },
        hooks: (context) => hooksOf(context, validator),
        tasks: [{ name: "schema-thread", start: () => validator.close }],
      },
    };
  },
};

type Write = PendingWrite<JsonObject>;

function hooksOf(context: ServiceContext, validator: SchemaValidator): Readonly<Record<string, Hooks<JsonObject>>> {
  const { storage } = context;

  /** What is written above the object, without id and revision. */
  async function above(resource: string, parent: string, id: string) {
    const found = await storage.get({ resource, parent, id });
    return found?.kind === "object"
      ? { object: JSON.parse(found.body) as JsonObject, revision: found.revision }
      : undefined;
  }

  async function assertSchemas(object: JsonObject, previous: JsonObject | undefined, fields: readonly string[]) {
    const violations: Violation[] = [];
    for (const field of fields) {
      const schema = object[field];
      if (schema === undefined || isSame(schema, previous?.[field])) continue;
      for (const { description, code } of await validator.check(JSON.stringify(schema)))
        violations.push({ location: "body", name: `data.${field}`, description, code });
    }
    refuse(violations);
  }

  /** @param ignored fields that the schema sees only when it names them */
  async function assertValid(
    schema: unknown,
    object: JsonObject,
    id: string,
    ignored: readonly string[],
  ): Promise<void> {
    if (!isPlain(schema)) return;
    const named = isPlain(schema.properties) ? schema.properties : {};
    const unseen = new Set(ignored.filter((field) => field !== "id" || !Object.hasOwn(named, field)));
    const seen = { ...(unseen.has("id") ? {} : { id }), ...object };
    const data = Object.fromEntries(Object.entries(seen).filter(([field]) => !unseen.has(field)));
    const required = Array.isArray(schema.required)
      ? { required: schema.required.filter((field) => !unseen.has(String(field))) }
      : {};
    const faults = await validator.validate(JSON.stringify({ ...schema, ...required }), JSON.stringify(data));
    refuse(faults.map(violationOf));
  }

  /** What a bucket says of everything of one kind in it. */
  async function assertByBucket(kind: string, write: Write, object: JsonObject, ignored: readonly string[]) {
    const bucket = await above("bucket", "", write.parent.split("/")[1] ?? "");
    await assertValid(bucket?.object[`${kind}:schema`], object, write.id, ignored);
  }

  return {
    bucket: {
      async before({ next, previous }) {
        if (next !== undefined)
          await assertSchemas(next, previous, ["record:schema", "collection:schema", "group:schema"]);
      },
    },
    collection: {
      async before(write) {
        if (write.next === undefined) return;
        await assertSchemas(write.next, write.previous, ["schema"]);
        await assertByBucket("collection", write, write.next, ["id", "last_modified"]);
      },
    },
    group: {
      async before(write) {
        if (write.next !== undefined) await assertByBucket("group", write, write.next, ["id", "last_modified"]);
      },
    },
    record: {
      async before(write) {
        const { next, parent, id } = write;
        if (next === undefined) return undefined;
        const [, bucket = "", , collectionId = ""] = parent.split("/");
        const collection = await above("collection", `bucket/${bucket}`, collectionId);
        const schema = collection?.object.schema;
        const ignored = ["id", "last_modified", "schema"];
        if (isPlain(schema)) await assertValid(schema, next, id, ignored);
        await assertByBucket("record", write, next, ignored);
        // Which version of the schema the record met.
        return isPlain(schema) && collection !== undefined ? { ...next, schema: collection.revision } : undefined;
      },
    },
  };
}

function violationOf({ name, description, code }: SchemaFault): Violation {
  return { location: "body", name, description, code };
}

function refuse(violations: readonly Violation[]): void {
  if (violations.length > 0) throw violationError("invalid-parameters", violations);
}

function isPlain(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
