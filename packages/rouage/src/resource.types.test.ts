/** Type tests: what TypeScript infers from a declaration. The compiler is the test runner; the functions here are never called. */
import { Type } from "typebox";
import type { JsonObject } from "./json.ts";
import { authenticated, everyone, owner, predicate, role } from "./operations/access.ts";
import { type Resource, resource } from "./resource.ts";
import type { ServiceDeclaration } from "./service.ts";
import type { Permissions } from "./storage/storage.ts";

type Equal<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false;

/** Compiles only when `T` is exactly the type of the value. */
function expectType<T>(): <U>(value: U, ...proof: Equal<T, U> extends true ? [] : ["types differ"]) => void {
  return () => {};
}

const schema = Type.Object({
  name: Type.String(),
  weight: Type.Optional(Type.Number()),
  label: Type.String(),
});
type Kitten = { name: string; weight?: number; label: string };

export function inferred(): readonly Resource[] {
  const kittens = resource("kittens", {
    schema,
    access: {
      create: [authenticated],
      read: [everyone, owner, role("vet")],
      write: [
        predicate<Kitten>({
          name: "light",
          object: ({ object, principal }) => {
            expectType<Kitten>()(object);
            expectType<string | undefined>()(principal.id);
            return object.name === principal.id;
          },
        }),
      ],
    },
    fieldAccess: { weight: { read: [role("vet")] } },
    computed: {
      label: (object, { id, now }) => {
        expectType<Kitten>()(object);
        expectType<number>()(now);
        return `${object.name} ${id}`;
      },
    },
    hooks: {
      before({ next, previous, action }) {
        expectType<Kitten | undefined>()(next);
        expectType<string | undefined>()(previous?.id);
        expectType<"create" | "replace" | "patch" | "delete">()(action);
        return next === undefined ? undefined : { ...next, name: next.name.trim() };
      },
      after: ({ next }) => {
        expectType<number | undefined>()(next?.last_modified);
      },
    },
    unique: [["name", "label"]],
    indexes: ["name", ["label", "last_modified"]],
  });
  expectType<typeof schema>()(kittens.options.schema);

  // A resource of any schema goes where resources go.
  const declaration: ServiceDeclaration = { name: "kittens", version: "1.0.0", resources: [kittens] };
  return declaration.resources ?? [];
}

export function shared(): readonly (Resource | undefined)[] {
  const boxes = resource("boxes", {
    schema,
    sharing: {
      granted: { create: ["system.Authenticated"] },
      writer: ({ id, principal }) => {
        expectType<string | undefined>()(principal.id);
        return id;
      },
      members: (object) => {
        expectType<JsonObject>()(object);
        return [];
      },
    },
    hooks: {
      before(write) {
        expectType<Permissions | undefined>()(write.permissions?.next);
        write.setPermissions({ read: ["system.Everyone"] });
      },
    },
  });
  const things = resource("things", { schema, parent: boxes, sharing: true });
  return [things.options.parent];
}

export function refused(): void {
  // @ts-expect-error there is no such option of sharing
  resource("kittens", { schema, sharing: { explicitly: true } });
  // @ts-expect-error what is not shared is left without the option
  resource("kittens", { schema, sharing: false });
  // @ts-expect-error unique names a field that is not in the schema
  resource("kittens", { schema, unique: ["nope"] });
  // @ts-expect-error fieldAccess names a field that is not in the schema
  resource("kittens", { schema, fieldAccess: { nope: { read: [] } } });
  // @ts-expect-error a computed field has the type the schema gives it
  resource("kittens", { schema, computed: { label: () => 3 } });
  // @ts-expect-error computed names a field that is not in the schema
  resource("kittens", { schema, computed: { nope: () => "x" } });
  // @ts-expect-error a hook returns an object of the schema
  resource("kittens", { schema, hooks: { before: () => ({ name: 3 }) } });
  // @ts-expect-error there is no such option
  resource("kittens", { schema, perUsers: true });
  // @ts-expect-error a schema is an object schema
  resource("kittens", { schema: Type.String() });
  resource("kittens", {
    schema,
    access: {
      // @ts-expect-error an object rule looks at objects of the schema
      read: [predicate<{ owner: number }>({ name: "other", object: ({ object }) => object.owner === 1 })],
    },
  });
}
