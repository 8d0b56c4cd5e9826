import { authenticated, everyone, resource, service } from "rouage";
import { Type } from "typebox";

const kittens = resource("kittens", {
  schema: Type.Object({ name: Type.String({ minLength: 1, maxLength: 256 }), weight: Type.Number() }),
  access: { create: [authenticated], read: [everyone] },
});

export default service({ name: "kittens", version: "1.0.0", resources: [kittens] });
