// The cursor's page.
import { render } from "preact";
import { Cursor } from "./Cursor";
import "../shared/style.css";
import "./cursor.css";

render(<Cursor />, document.getElementById("app")!);
