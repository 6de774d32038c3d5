// How a setting is called, and what is wrong with what was typed.
import { read, type Schema, type Shape } from "./schema";

const UNITS: Record<string, string> = { hz: "Hz", s: "s", ms: "ms", uv: "µV", db: "dB", sd: "SD" };

/** `low_hz` is "Low, Hz", and `n_harmonics` "Number of harmonics". */
export function labelOf(key: string): string {
  const words = key.split("_");
  const unit = words.length > 1 ? UNITS[words.at(-1)!] : undefined;
  if (unit) words.pop();
  if (words[0] === "n" && words.length > 1) words.splice(0, 1, "number", "of");
  const text = words.join(" ");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${unit ? `, ${unit}` : ""}`;
}

/** A description without its marks. */
export const plainText = (text: string | undefined) => (text ?? "").replaceAll("`", "");

/** A value as it is shown: a list without its brackets. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value)) return value.map(shown).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** What a setting is when it is left out, in words; empty where that says nothing. */
export function defaultOf(schema: Schema, fallback: unknown): string {
  const value = fallback ?? schema.default;
  if (value === undefined || value === null || (typeof value === "object" && !Array.isArray(value))) return "";
  if (Array.isArray(value) && value.length === 0) return "";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return shown(value);
}

/** Say what is wrong with a value; empty where nothing is, as far as can be told here. */
export function faultOf(value: unknown, shape: Shape, root: Schema): string {
  if (value === undefined || value === null) return "";
  switch (shape.is) {
    case "number":
      return faultOfNumber(value, shape.schema, shape.whole);
    case "text": {
      if (typeof value !== "string") return shape.orNumber && typeof value === "number" ? "" : "a text is needed; put it in quotes";
      const { pattern, maxLength } = shape.schema;
      if (maxLength !== undefined && value.length > maxLength) return `at most ${maxLength} characters`;
      return pattern && !new RegExp(pattern, "u").test(value) ? `must match ${pattern}` : "";
    }
    case "choice":
      return shape.values.includes(value as string) ? "" : `one of ${shape.values.join(", ")}`;
    case "flag":
      return typeof value === "boolean" ? "" : "yes or no";
    case "list": {
      if (!Array.isArray(value)) return "a list is needed";
      const { minItems = 0, maxItems = Infinity } = shape.schema;
      if (value.length < minItems) return `at least ${minItems} are needed`;
      if (value.length > maxItems) return `at most ${maxItems}`;
      const items = read(shape.items, root).shape;
      return value.map((one) => (items.is === "object" || items.is === "union" ? "" : faultOf(one, items, root))).find(Boolean) ?? "";
    }
    default:
      return "";
  }
}

function faultOfNumber(value: unknown, schema: Schema, whole: boolean): string {
  const { minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below } = schema;
  if (typeof value !== "number") return whole ? "a whole number is needed" : "a number is needed";
  if (whole && !Number.isInteger(value)) return "a whole number is needed";
  if (minimum !== undefined && value < minimum) return `at least ${minimum}`;
  if (maximum !== undefined && value > maximum) return `at most ${maximum}`;
  if (above !== undefined && value <= above) return `above ${above}`;
  if (below !== undefined && value >= below) return `below ${below}`;
  return "";
}
