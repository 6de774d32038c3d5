// A field for a number within limits. What is being typed is the field's own until it is left:
// a page that draws itself anew meanwhile does not put the former number back.
import { useState } from "preact/hooks";

export interface NumberInputProps {
  value: number;
  min: number;
  max: number;
  step?: number;
  disabled?: boolean;
  onValue: (value: number) => void;
}

export function NumberInput({ value, min, max, step = 1, disabled = false, onValue }: NumberInputProps) {
  const [typed, setTyped] = useState<string | null>(null);
  return (
    <input
      type="number"
      min={min}
      max={max}
      step={step}
      value={typed ?? value}
      disabled={disabled}
      onInput={(event) => setTyped(event.currentTarget.value)}
      onChange={(event) => {
        const text = event.currentTarget.value;
        setTyped(null);
        const found = Math.round(Number(text) / step) * step;
        if (text !== "" && Number.isFinite(found)) onValue(Math.max(min, Math.min(max, Number(found.toFixed(6)))));
      }}
    />
  );
}
