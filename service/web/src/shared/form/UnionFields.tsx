// A choice between kinds, each with settings of its own.
import { useId } from "preact/hooks";
import { useForm } from "./context";
import { ObjectFields } from "./ObjectFields";
import { written, type Path } from "./path";
import { changedKind, isPlain, type Plain, type Shape } from "./schema";
import { plainText } from "./words";

export interface UnionFieldsProps {
  shape: Extract<Shape, { is: "union" }>;
  value: unknown;
  path: Path;
  label: string;
  fallback?: unknown;
}

export function UnionFields({ shape, value, path, label, fallback }: UnionFieldsProps) {
  const id = useId();
  const { root, errors, disabled, edit } = useForm();
  const settings = isPlain(value) ? value : ((fallback as Plain | undefined) ?? {});
  const kind = settings[shape.tag];
  const option = typeof kind === "string" ? shape.options[kind] : undefined;
  const place = written([...path, shape.tag]);
  const faults = errors.filter((error) => error.path === place).map((error) => error.message);
  return (
    <>
      <div class="field">
        <label for={id}>{label}</label>
        <select
          id={id}
          data-path={place}
          value={option ? (kind as string) : ""}
          disabled={disabled}
          aria-invalid={faults.length > 0}
          aria-describedby={`${id}-help`}
          onChange={(event) => {
            const chosen = event.currentTarget.value;
            const now = shape.options[chosen];
            if (now) edit({ do: "set", at: path, value: changedKind(value, shape.tag, chosen, now, root) });
          }}
        >
          {!option && <option value="">{kind === undefined ? "choose" : `${String(kind)} (not known here)`}</option>}
          {Object.keys(shape.options).map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
        </select>
        <span class="help" id={`${id}-help`}>
          {plainText(option?.description)}
          {faults.length > 0 && <span class="fault"> {faults.join("; ")}</span>}
        </span>
      </div>
      {option && <ObjectFields key={String(kind)} schema={option} value={settings} path={path} />}
    </>
  );
}
