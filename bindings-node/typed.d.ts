import type { Value } from "./index.js";

/** A document of which nothing is known. */
export type Document = { [key: string]: Value };

/** What a schema of zod, valibot, arktype and others implements: https://standardschema.dev */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: number;
    readonly vendor: string;
    readonly validate: (value: unknown) => unknown;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a schema takes. */
export type InputOf<S extends StandardSchema<any, any>> = NonNullable<S["~standard"]["types"]>["input"];
/** What a schema makes of it. */
export type OutputOf<S extends StandardSchema<any, any>> = NonNullable<S["~standard"]["types"]>["output"];

/** The type of what stands at a path of a document. Of a path that is only known at run time it is any value. */
export type At<T, P extends string> = string extends P
  ? Value | undefined
  : P extends ""
    ? T
    : P extends `/${string}` | `${string}\\${string}`
      ? Value | undefined
      : P extends `${infer Key}.${infer Rest}`
        ? At<Below<T, Key>, Rest>
        : Below<T, P>;

type Below<T, Key extends string> = T extends readonly unknown[]
  ? Key extends `${number}`
    ? (Key extends keyof T ? T[Key] : T[number] | undefined)
    : undefined
  : T extends object
    ? string extends keyof T
      ? T[keyof T] | undefined
      : Key extends keyof T
        ? T[Key]
        : undefined
    : undefined;

/** The type of the documents that a schema takes, as far as a literal says it: `{ fields: { port: "port" } }`, or JSON Schema. */
export type DocumentOf<D> = D extends { fields: infer Fields } | { type: "map" } | { type: "object" } | { properties: object }
  ? Typed<D>
  : Document;

type Typed<D> = D extends string
  ? Named<D>
  : D extends { const: infer Only }
    ? Only
    : D extends { enum: readonly (infer Choice)[] } | { choices: readonly (infer Choice)[] }
      ? Choice
      : D extends { fields: infer Fields }
        ? FieldsOf<Fields>
        : D extends { properties: infer Properties }
          ? PropertiesOf<Properties, D extends { required: readonly (infer Name)[] } ? Name : never>
          : D extends { items: infer Item }
            ? Typed<Item>[]
            : D extends { values: infer Values }
              ? { [key: string]: Typed<Values> }
              : D extends { additionalProperties: infer Values extends object }
                ? { [key: string]: Typed<Values> }
                : D extends { type: readonly (infer Name)[] }
                  ? Named<Name>
                  : D extends { type: infer Name }
                    ? Named<Name>
                    : Value;

type Named<Name> = Name extends "integer" | "float" | "number" | "port"
  ? number
  : Name extends "bool" | "boolean"
    ? boolean
    : Name extends "null"
      ? null
      : Name extends "list" | "array"
        ? Value[]
        : Name extends "map" | "object"
          ? Document
          : Name extends "any"
            ? Value
            : string;

/** A field is there where it is needed or has a default. */
type IsThere<D> = D extends { required: true } | { default: unknown } ? true : false;

type FieldsOf<Fields> = Simple<
  { -readonly [K in keyof Fields as IsThere<Fields[K]> extends true ? K : never]: Typed<Fields[K]> } & {
    -readonly [K in keyof Fields as IsThere<Fields[K]> extends true ? never : K]?: Typed<Fields[K]>;
  }
>;

type PropertiesOf<Properties, Required> = Simple<
  { -readonly [K in keyof Properties as K extends Required ? K : IsThere<Properties[K]> extends true ? K : never]: Typed<Properties[K]> } & {
    -readonly [K in keyof Properties as K extends Required ? never : IsThere<Properties[K]> extends true ? never : K]?: Typed<Properties[K]>;
  }
>;

type Simple<T> = { [K in keyof T]: T[K] };
