// A choice between ways to say something that differ in form: a word, or settings.
import { useId } from "preact/hooks";
import { useForm } from "./context";
import { ObjectFields } from "./ObjectFields";
import type { Path } from "./path";
import { isPlain, read, skeleton, suits, type Schema } from "./schema";

export interface WaysFieldsProps {
  ways: Schema[];
  value: unknown;
  path: Path;
  label: string;
  /** What holds while it is left out. */
  usual: unknown;
}

export function WaysFields({ ways, value, path, label, usual }: WaysFieldsProps) {
  const id = useId();
  const { root, disabled, edit } = useForm();
  const chosen = ways.findIndex((way) => suits(value ?? usual, way, root));
  const way = ways[chosen];
  const shape = way && read(way, root).shape;
  const named = (each: Schema) => (each.const === undefined ? "as set here" : String(each.const));
  return (
    <>
      <div class="field">
        <label for={id}>{label}</label>
        <select
          id={id}
          value={String(chosen)}
          disabled={disabled}
          onChange={(event) => {
            const now = ways[Number(event.currentTarget.value)];
            if (now) edit({ do: "set", at: path, value: skeleton(now, root) });
          }}
        >
          {chosen < 0 && <option value="-1">choose</option>}
          {ways.map((each, i) => (
            <option key={i} value={String(i)}>
              {named(each)}
            </option>
          ))}
        </select>
      </div>
      {shape?.is === "object" && (
        <ObjectFields schema={shape.schema} value={isPlain(value) ? value : {}} path={path} fallback={value === undefined ? usual : undefined} />
      )}
    </>
  );
}
