import { render, screen } from "@testing-library/svelte";
import userEvent from "@testing-library/user-event";
import axe from "axe-core";
import App from "../App.svelte";
import { MockHost } from "../lib/backend/mock";
import { mockView, type MockKind } from "../lib/backend/mock-data";

/** The whole window with a host of its own, once it shows something. */
export async function open(kind: MockKind = "normal") {
  const host = new MockHost(mockView(kind), 0);
  const user = userEvent.setup();
  render(App, { backend: host });
  const first = host.view.services[0]?.id;
  if (first === undefined) await screen.findByRole("heading", { name: "No services yet" });
  else await screen.findByRole("row", { name: first });
  return { host, user };
}

export async function violations(): Promise<string[]> {
  // jsdom draws nothing, so colours can't be judged here.
  const { violations: found } = await axe.run(document.body, {
    rules: { "color-contrast": { enabled: false } },
  });
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}
