// The workspace of the tasks, where the pointer steers and clicks, and what goes on in it.
import type { RefObject } from "preact";
import { fit } from "./draw";
import type { Steering } from "./steering";
import { WORKSPACE_CM } from "./task";

export interface WorkspaceProps {
  canvas: RefObject<HTMLCanvasElement | null>;
  steering: Steering;
  /** Why the cursor stands still; empty while it does not. */
  halted: string;
  /** What goes on while it moves. */
  goesOn: string;
  wake: () => void;
}

export function Workspace({ canvas, steering, halted, goesOn, wake }: WorkspaceProps) {
  const point = (event: PointerEvent) => {
    const element = canvas.current!;
    const box = element.getBoundingClientRect();
    const perCm = fit(element) / (window.devicePixelRatio || 1);
    wake();
    steering.point([(event.clientX - box.left) / perCm - WORKSPACE_CM, WORKSPACE_CM - (event.clientY - box.top) / perCm]);
  };
  return (
    <div class="stage">
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-label="The task: bring the cursor to the target. Arrow keys steer when they are chosen; space clicks."
        onPointerMove={point}
        onPointerDown={(event) => {
          point(event);
          steering.click();
        }}
        onKeyDown={(event) => {
          if (event.key !== " ") return;
          event.preventDefault();
          steering.click();
        }}
      />
      <p class={`halted ${halted ? "bad" : "soft"}`} role="status" aria-live="polite">
        {halted ? `The cursor stands still: ${halted}` : goesOn}
      </p>
    </div>
  );
}
