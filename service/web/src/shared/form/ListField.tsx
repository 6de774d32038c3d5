// A list of things with settings of their own: added, removed, and taken to another place.
import { useState } from "preact/hooks";
import { useForm } from "./context";
import { ObjectFields } from "./ObjectFields";
import { written, type Path } from "./path";
import { isPlain, read, skeleton, type Shape } from "./schema";
import { UnionFields } from "./UnionFields";

/** Most entries shown at once; more are folded away. */
const MOST_SHOWN = 12;

export interface ListFieldProps {
  shape: Extract<Shape, { is: "list" }>;
  value: unknown[];
  path: Path;
  label: string;
}

export function ListField({ shape, value, path, label }: ListFieldProps) {
  const { root, disabled, edit } = useForm();
  const item = read(shape.items, root).shape;
  const kinds = item.is === "union" ? Object.keys(item.options) : [];
  const [kind, setKind] = useState(kinds[0] ?? "");
  const one = label.toLowerCase().replace(/s$/, "");
  const add = () => {
    const added = item.is === "union" ? skeleton(item.options[kind] ?? {}, root) : skeleton(shape.items, root);
    edit({ do: "set", at: [...path, value.length], value: added });
  };
  const items = (
    <ol class="items">
      {value.map((each, i) => {
        const place = [...path, i];
        return (
          <li key={i} data-path={written(place)}>
            <div class="item-head">
              <strong>
                {one} {i + 1}
              </strong>
              <span class="row">
                <button class="small" disabled={disabled || i === 0} aria-label={`Move ${one} ${i + 1} up`} onClick={() => edit({ do: "move", at: path, from: i, to: i - 1 })}>
                  ↑
                </button>
                <button
                  class="small"
                  disabled={disabled || i === value.length - 1}
                  aria-label={`Move ${one} ${i + 1} down`}
                  onClick={() => edit({ do: "move", at: path, from: i, to: i + 1 })}
                >
                  ↓
                </button>
                <button class="small" disabled={disabled} aria-label={`Remove ${one} ${i + 1}`} onClick={() => edit({ do: "remove", at: place })}>
                  Remove
                </button>
              </span>
            </div>
            {item.is === "union" && <UnionFields shape={item} value={each} path={place} label={`Kind of ${one} ${i + 1}`} />}
            {item.is === "object" && <ObjectFields schema={item.schema} value={isPlain(each) ? each : {}} path={place} />}
          </li>
        );
      })}
    </ol>
  );
  return (
    <>
      {value.length > MOST_SHOWN ? (
        <details>
          <summary>
            {value.length} {label.toLowerCase()}
          </summary>
          {items}
        </details>
      ) : (
        items
      )}
      <div class="row">
        {kinds.length > 0 && (
          <select aria-label={`Kind of ${one} to add`} value={kind} disabled={disabled} onChange={(event) => setKind(event.currentTarget.value)}>
            {kinds.map((each) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </select>
        )}
        <button class="small" disabled={disabled || value.length >= (shape.schema.maxItems ?? Infinity)} onClick={add}>
          Add {one}
        </button>
      </div>
    </>
  );
}
