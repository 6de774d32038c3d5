// JSON schema as the service writes it, read into the few shapes that a form can show.
export interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  deprecated?: boolean;
  examples?: unknown[];
  const?: unknown;
  enum?: (string | number)[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  discriminator?: { propertyName: string; mapping: Record<string, string> };
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
}

export type Plain = Record<string, unknown>;

export type Shape =
  | { is: "object"; schema: Schema }
  | { is: "union"; tag: string; options: Record<string, Schema> }
  | { is: "list"; schema: Schema; items: Schema }
  | { is: "choice"; values: (string | number)[] }
  | { is: "number"; schema: Schema; whole: boolean }
  /** A number may stand for it where `orNumber`. */
  | { is: "text"; schema: Schema; orNumber: boolean }
  | { is: "flag" }
  | { is: "constant" }
  /** One of several that differ in form. */
  | { is: "ways"; ways: Schema[] }
  /** Anything else is written as JSON. */
  | { is: "other" };

export interface Reading {
  /** With what it refers to; what stands beside a reference is kept. */
  schema: Schema;
  shape: Shape;
  /** Whether it may be null: then that is what leaving it out means. */
  nullable: boolean;
}

/** Follow a reference. */
export function resolved(schema: Schema, root: Schema): Schema {
  if (schema.$ref === undefined) return schema;
  const { $ref, ...beside } = schema;
  const target = root.$defs?.[$ref.split("/").at(-1) ?? ""] ?? {};
  return { ...resolved(target, root), ...beside };
}

export function read(schema: Schema, root: Schema): Reading {
  const whole = resolved(schema, root);
  if (!whole.anyOf) return { schema: whole, shape: shapeOf(whole, root), nullable: false };
  const { anyOf, ...beside } = whole;
  const ways = anyOf.map((each) => resolved(each, root));
  // What is deprecated is read, and not offered.
  const kept = ways.filter((each) => each.type !== "null" && !each.deprecated);
  const orNumber = kept.length === 2 && kept.every((each) => each.type === "string" || each.type === "integer");
  const nullable = ways.some((each) => each.type === "null");
  if (kept.length > 1 && !orNumber) return { schema: beside, shape: { is: "ways", ways: kept }, nullable };
  const chosen = { ...(kept.find((each) => !orNumber || each.type === "string") ?? {}), ...beside };
  return {
    schema: chosen,
    shape: orNumber ? { is: "text", schema: chosen, orNumber } : shapeOf(chosen, root),
    nullable,
  };
}

function shapeOf(schema: Schema, root: Schema): Shape {
  if (schema.const !== undefined) return { is: "constant" };
  if (schema.enum) return { is: "choice", values: schema.enum };
  if (schema.discriminator) {
    const { propertyName: tag, mapping } = schema.discriminator;
    const options = Object.entries(mapping).map(([name, $ref]) => [name, resolved({ $ref }, root)]);
    return { is: "union", tag, options: Object.fromEntries(options) };
  }
  switch (schema.type) {
    case "object":
      return schema.properties ? { is: "object", schema } : { is: "other" };
    case "array":
      return isShown(schema.items, root) ? { is: "list", schema, items: schema.items! } : { is: "other" };
    case "number":
    case "integer":
      return { is: "number", schema, whole: schema.type === "integer" };
    case "string":
      return { is: "text", schema, orNumber: false };
    case "boolean":
      return { is: "flag" };
    default:
      return { is: "other" };
  }
}

/** Whether a value has the form of a schema. */
export function suits(value: unknown, schema: Schema, root: Schema): boolean {
  const { is } = read(schema, root).shape;
  if (is === "constant") return value === schema.const;
  if (is === "list") return Array.isArray(value);
  if (is === "object" || is === "union") return isPlain(value);
  if (is === "choice") return schema.enum?.includes(value as string) === true;
  return typeof value === { number: "number", text: "string", flag: "boolean" }[is as string];
}

/** Whether a list of such things can be shown: all but lists of lists. */
function isShown(items: Schema | undefined, root: Schema): boolean {
  if (!items) return false;
  const { is } = read(items, root).shape;
  return is !== "list" && is !== "other";
}

export const isSimple = ({ is }: Shape) => is === "number" || is === "text" || is === "choice";

/** Settings to begin with: its example where it brings one, or else what is needed and no more. */
export function skeleton(schema: Schema, root: Schema): unknown {
  const { schema: whole, shape } = read(schema, root);
  if (whole.examples?.length) return structuredClone(whole.examples[0]);
  if (whole.default !== undefined && whole.default !== null) return structuredClone(whole.default);
  switch (shape.is) {
    case "object":
      return Object.fromEntries((whole.required ?? []).map((key) => [key, skeleton(whole.properties?.[key] ?? {}, root)]));
    case "union":
      return skeleton(Object.values(shape.options)[0] ?? {}, root);
    case "choice":
      return shape.values[0];
    case "number":
      return whole.minimum ?? (whole.exclusiveMinimum !== undefined ? whole.exclusiveMinimum + 1 : 0);
    case "text":
      return "";
    case "flag":
      return false;
    case "constant":
      return whole.const;
    case "ways":
      return skeleton(shape.ways[0] ?? {}, root);
    default:
      return [];
  }
}

/** Settings of another kind: what both know is kept, and what the new one needs is added. */
export function changedKind(before: unknown, tag: string, kind: string, option: Schema, root: Schema): Plain {
  const known = option.properties ?? {};
  const kept = Object.entries(isPlain(before) ? before : {}).filter(([key]) => key !== tag && key in known);
  const example = skeleton(option, root) as Plain;
  const needed = (option.required ?? []).filter((key) => key in example).map((key) => [key, example[key]] as const);
  return { [tag]: kind, ...Object.fromEntries(needed), ...Object.fromEntries(kept) };
}

export const isPlain = (value: unknown): value is Plain => typeof value === "object" && value !== null && !Array.isArray(value);
