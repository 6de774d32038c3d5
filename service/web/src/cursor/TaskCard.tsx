// Which task, how many trials of it, and how a target is selected.
import { NumberInput } from "../shared/NumberInput";
import { TASKS, type TaskName } from "./task";
import type { TaskHandle } from "./useTask";

/** `startable` says whether a task can begin. */
export function TaskCard({ task, startable, calibrating, onStart }: { task: TaskHandle; startable: boolean; calibrating: boolean; onStart: () => void }) {
  const { settings, set, running } = task;
  return (
    <section class="card" aria-labelledby="task-title">
      <h2 id="task-title">Task</h2>
      <div class="row">
        <select aria-label="Task" value={settings.name} disabled={running} onChange={(event) => set({ name: event.currentTarget.value as TaskName })}>
          {Object.entries(TASKS).map(([name, { title }]) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </select>
        <label>
          Trials
          <NumberInput min={1} max={400} value={settings.nTrials} disabled={running} onValue={(nTrials) => set({ nTrials })} />
        </label>
        <label>
          Select by
          <select value={settings.byClick ? "click" : "hold"} disabled={running} onChange={(event) => set({ byClick: event.currentTarget.value === "click" })}>
            <option value="hold">staying</option>
            <option value="click">clicking</option>
          </select>
        </label>
        <button class="main" onClick={running ? task.end : onStart} disabled={calibrating || (!running && !startable)}>
          {running ? "End" : "Start"}
        </button>
      </div>
    </section>
  );
}
