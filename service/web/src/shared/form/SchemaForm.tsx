// A form for any configuration of which there is a JSON schema. It holds nothing itself: it shows a
// value, and says which one place of it is to change.
import { FormContext, type Form } from "./context";
import "./form.css";
import { ObjectFields } from "./ObjectFields";
import { isPlain } from "./schema";

export interface SchemaFormProps extends Form {
  label: string;
  value: unknown;
}

export function SchemaForm({ label, value, ...form }: SchemaFormProps) {
  return (
    <FormContext.Provider value={form}>
      <div class="schema-form" role="group" aria-label={label}>
        <ObjectFields schema={form.root} value={isPlain(value) ? value : {}} path={[]} />
      </div>
    </FormContext.Provider>
  );
}
