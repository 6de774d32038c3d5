// The input of a setting that is no group: a choice, yes or no, or something to type.
import { useState } from "preact/hooks";
import { useForm } from "./context";
import { written, type Path } from "./path";
import { read, type Schema, type Shape } from "./schema";
import { shown } from "./words";

export interface ScalarInputProps {
  id: string;
  shape: Shape;
  value: unknown;
  path: Path;
  /** What holds when it is left out. */
  usual: string;
  required: boolean;
  described: string | undefined;
  invalid: boolean;
  /** Undefined leaves it out. */
  onValue: (value: unknown) => void;
}

export function ScalarInput(props: ScalarInputProps) {
  const { id, shape, value, path, usual, required, described, invalid, onValue } = props;
  const { root, disabled, suggest } = useForm();
  // What is being typed is the input's own until it is left: "0." is no "0".
  const [typed, setTyped] = useState<string | null>(null);
  const common = { id, disabled, "data-path": written(path), "aria-describedby": described, "aria-invalid": invalid };
  if (shape.is === "choice" || shape.is === "flag") {
    const values: unknown[] = shape.is === "flag" ? [true, false] : shape.values;
    const named = (one: unknown) => (one === true ? "yes" : one === false ? "no" : String(one));
    const isOther = value !== undefined && value !== null && !values.includes(value);
    return (
      <select
        {...common}
        value={value === undefined || value === null ? "" : named(value)}
        onChange={(event) => onValue(values.find((one) => named(one) === event.currentTarget.value))}
      >
        {!(required && value !== undefined) && <option value="">{usual ? `default (${usual})` : "left out"}</option>}
        {isOther && <option value={named(value)}>{named(value)}</option>}
        {values.map((one) => (
          <option key={named(one)} value={named(one)}>
            {named(one)}
          </option>
        ))}
      </select>
    );
  }
  const suggested = suggest(path);
  const isJson = shape.is === "other" || needsMarks(value);
  return (
    <>
      <input
        {...common}
        type="text"
        autocomplete="off"
        spellcheck={false}
        inputMode={shape.is === "number" ? "decimal" : undefined}
        list={suggested.length ? `${id}-list` : undefined}
        placeholder={usual}
        value={typed ?? (isJson && value !== undefined && value !== null ? JSON.stringify(value) : shown(value))}
        onInput={(event) => {
          const text = event.currentTarget.value;
          setTyped(text);
          onValue(valueOf(text, shape, root));
        }}
        onBlur={() => setTyped(null)}
      />
      {suggested.length > 0 && (
        <datalist id={`${id}-list`}>
          {suggested.map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
      )}
    </>
  );
}

/** Read what was typed; what cannot be read is kept as it is, for what is wrong to be told. */
function valueOf(text: string, shape: Shape, root: Schema): unknown {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  switch (shape.is) {
    case "number":
      return numberIn(trimmed) ?? trimmed;
    case "text":
      return shape.orNumber ? (wholeIn(trimmed) ?? text) : text;
    case "list": {
      if (trimmed.startsWith("[")) return asJson(trimmed);
      const item = read(shape.items, root).shape;
      return trimmed.split(",").flatMap((each) => valueOf(each.trim(), item, root) ?? []);
    }
    default:
      return asJson(trimmed);
  }
}

/** Whether a list's items could not be told apart by commas alone. */
const needsMarks = (value: unknown) => Array.isArray(value) && value.some((one) => typeof one === "string" && (one.includes(",") || one !== one.trim() || one === ""));

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const numberIn = (text: string) => (Number.isFinite(Number(text)) ? Number(text) : undefined);
const wholeIn = (text: string) => (/^\d+$/.test(text) ? Number(text) : undefined);
