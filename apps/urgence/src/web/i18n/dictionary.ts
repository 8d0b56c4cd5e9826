/** The shape every language fills: the English dictionary with its literal texts widened. A missing key is a type error. */
import type { en } from "./en.ts";

type Widened<T> = T extends string
  ? string
  : T extends (...parameters: infer P) => string
    ? (...parameters: P) => string
    : { readonly [K in keyof T]: Widened<T[K]> };

export type Dictionary = Widened<typeof en>;
