// The settings of one thing: those that are needed or given first, the others folded away.
import { useEffect, useMemo, useState } from "preact/hooks";
import { useForm } from "./context";
import { Field } from "./Field";
import { isWithin, written, type Path } from "./path";
import { read, type Plain, type Schema } from "./schema";

/** Up to this many settings are not folded away where there are no others. */
const FEW = 8;

export interface ObjectFieldsProps {
  schema: Schema;
  value: Plain;
  path: Path;
  /** What holds while the whole is left out. */
  fallback?: unknown;
}

export function ObjectFields({ schema, value, path, fallback }: ObjectFieldsProps) {
  const { root, errors, version, disabled, edit, extras } = useForm();
  const properties = Object.entries(schema.properties ?? {}).filter(([, each]) => read(each, root).shape.is !== "constant");
  const needed = (key: string) => schema.required?.includes(key) === true || value[key] !== undefined;
  // A setting stays where it is while it is being typed: it moves when the text was changed elsewhere.
  const first = useMemo(() => new Set(properties.map(([key]) => key).filter(needed)), [schema, version]);
  const field = ([key, each]: [string, Schema]) => (
    <Field
      key={key}
      name={key}
      schema={each}
      value={value[key]}
      path={[...path, key]}
      required={schema.required?.includes(key) === true}
      fallback={(fallback as Plain | undefined)?.[key]}
    />
  );
  const more = properties.filter(([key]) => !first.has(key));
  const given = more.filter(([key]) => value[key] !== undefined).length;
  const isWrong = more.some(([key]) => errors.some((error) => isWithin(error.path, [...path, key])));
  // What is wrong is unfolded, and stays so while it is mended.
  const [isOpen, setOpen] = useState(isWrong || (first.size === 0 && path.length > 0 && more.length <= FEW));
  useEffect(() => {
    if (isWrong) setOpen(true);
  }, [isWrong]);
  const unknown = Object.keys(value).filter((key) => !(key in (schema.properties ?? {})));
  return (
    <div class="fields">
      {extras[written(path)]}
      {properties.filter(([key]) => first.has(key)).map(field)}
      {unknown.map((key) => (
        <p key={key} class="wide fault" data-path={written([...path, key])}>
          <code>{key}</code> is not known here.{" "}
          <button class="small" disabled={disabled} onClick={() => edit({ do: "remove", at: [...path, key] })}>
            Remove {key}
          </button>
        </p>
      ))}
      {more.length > 0 && (
        <details class="wide" open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary>
            More settings ({more.length}
            {given > 0 && `, ${given} given`})
          </summary>
          <div class="fields">{more.map(field)}</div>
        </details>
      )}
    </div>
  );
}
