// One setting with its name, what it is for, what it is when left out, and what is wrong with it.
import { useId } from "preact/hooks";
import { useForm } from "./context";
import { ListField } from "./ListField";
import { ObjectFields } from "./ObjectFields";
import { written, type Path } from "./path";
import { ScalarInput } from "./ScalarInput";
import { isPlain, isSimple, read, skeleton, type Schema } from "./schema";
import { UnionFields } from "./UnionFields";
import { WaysFields } from "./WaysFields";
import { defaultOf, faultOf, labelOf, plainText } from "./words";

export interface FieldProps {
  name: string;
  schema: Schema;
  value: unknown;
  path: Path;
  required: boolean;
  fallback?: unknown;
}

export function Field({ name, schema, value, path, required, fallback }: FieldProps) {
  const id = useId();
  const { root, errors, disabled, edit } = useForm();
  const { schema: whole, shape, nullable } = read(schema, root);
  const label = labelOf(name);
  const place = written(path);
  const own = errors.filter((error) => error.path === place).map((error) => error.message);
  const here = faultOf(value, shape, root);
  const faults = own.length ? own : here ? [here] : [];
  const about = plainText(whole.description);
  const usual = defaultOf(whole, fallback);
  const notes = (
    <>
      {(about || usual) && (
        <span class="help" id={`${id}-help`}>
          {about}
          {usual && ` Default: ${usual}.`}
        </span>
      )}
      {faults.length > 0 && (
        <span class="fault" id={`${id}-fault`}>
          {faults.join("; ")}
        </span>
      )}
    </>
  );
  const described = [about || usual ? `${id}-help` : "", faults.length ? `${id}-fault` : ""].filter(Boolean).join(" ") || undefined;
  const isGroup = shape.is === "ways" || shape.is === "object" || shape.is === "union" || (shape.is === "list" && !isSimple(read(shape.items, root).shape));
  if (!isGroup) {
    return (
      <div class="field">
        <label for={id}>
          {label}
          {required && <span class="soft"> (needed)</span>}
        </label>
        <ScalarInput
          id={id}
          shape={shape}
          value={value}
          path={path}
          usual={usual}
          required={required}
          described={described}
          invalid={faults.length > 0}
          onValue={(now) => edit(now === undefined ? { do: "remove", at: path } : { do: "set", at: path, value: now })}
        />
        {notes}
      </div>
    );
  }
  const isOff = nullable && (value === undefined || value === null);
  return (
    <fieldset class="wide" data-path={place} aria-describedby={described} tabIndex={-1}>
      <legend>
        {nullable ? (
          <label>
            <input
              type="checkbox"
              checked={!isOff}
              disabled={disabled}
              onChange={(event) =>
                edit(event.currentTarget.checked ? { do: "set", at: path, value: skeleton(schema, root) } : { do: "remove", at: path })
              }
            />
            {label}
          </label>
        ) : (
          label
        )}
      </legend>
      {notes}
      {!isOff && shape.is === "object" && (
        <ObjectFields schema={shape.schema} value={isPlain(value) ? value : {}} path={path} fallback={value === undefined ? whole.default : undefined} />
      )}
      {!isOff && shape.is === "union" && <UnionFields shape={shape} value={value} path={path} label={`${label}: kind`} fallback={whole.default} />}
      {!isOff && shape.is === "ways" && <WaysFields ways={shape.ways} value={value} path={path} label={`${label}: how`} usual={whole.default} />}
      {!isOff && shape.is === "list" && <ListField shape={shape} value={Array.isArray(value) ? value : []} path={path} label={label} />}
    </fieldset>
  );
}
