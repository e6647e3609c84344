import type { CatalogItem } from "../bindings/CatalogItem";
import type { Choice } from "../bindings/Choice";
import type { ConnectionView } from "../bindings/ConnectionView";
import type { SavedSnapshot } from "../bindings/SavedSnapshot";
import type { ServiceRow } from "../bindings/ServiceRow";
import type { TrashItem } from "../bindings/TrashItem";
import type { NewService } from "./backend";
import { MockBase } from "./mock-base";
import { catalog } from "./mock-catalog";
import { connectionOf, savedSnapshots, trashed } from "./mock-kept";
import { port, project as projectRow, service as serviceRow } from "./mock-rows";

const PERSONAL = "personal";

/** The services of the catalog, of a host that is made up. */
export class MockManaged extends MockBase {
  items: CatalogItem[] = catalog();
  saved: SavedSnapshot[] = savedSnapshots();
  trashItems: TrashItem[] = trashed();

  async catalog(): Promise<CatalogItem[]> {
    await this.asked("catalog", 0.2);
    return this.items;
  }

  async addService({ project, entry, version, name }: NewService): Promise<string> {
    await this.asked(`add ${project ?? PERSONAL} ${entry} ${version ?? "-"} ${name ?? "-"}`);
    const home = project ?? PERSONAL;
    const id = `${home}/${name ?? this.#freeName(home, entry)}`;
    if (this.row(id)) {
      const hint = "Choose another name";
      throw { code: "name_taken", message: `${id} is there already`, hint };
    }
    const { services, projects } = this.view;
    const last = services.findLastIndex((row) => row.project === home);
    const at = last < 0 ? services.length : last + 1;
    const known = projects.some((row) => row.name === home && !row.external);
    this.arrange(
      [...services.slice(0, at), this.#newRow(id, entry, version), ...services.slice(at)],
      known ? projects : [projectRow(home), ...projects],
    );
    void this.move(id, true);
    return id;
  }

  async removeService(id: string): Promise<void> {
    await this.asked(`remove ${id}`);
    const row = this.row(id);
    this.arrange(this.view.services.filter((service) => service.id !== id));
    if (row) this.#discard(row, "removed");
  }

  async choose(id: string, choice: Choice): Promise<void> {
    await this.asked(`choose ${id} ${choice}`, 1.5);
    const row = this.row(id);
    if (row && choice === "upgrade") this.#discard(row, "upgraded to 17");
    if (row && choice === "start-empty") this.#discard(row, "started empty");
    void this.move(id, true);
  }

  async connection(id: string): Promise<ConnectionView> {
    await this.asked(`connection ${id}`, 0.2);
    return connectionOf(this.row(id) ?? serviceRow(id));
  }

  async snapshots(id: string): Promise<SavedSnapshot[]> {
    await this.asked(`snapshots ${id}`, 0.2);
    return this.saved.filter(({ service }) => service === id);
  }

  async saveSnapshot(id: string, name: string | null): Promise<SavedSnapshot> {
    await this.asked(`save ${id} ${name ?? "-"}`, 2);
    const at = new Date().toISOString();
    const { engine, origin = "" } = this.row(id) ?? {};
    const made = { name: name ?? at.slice(0, 16).replace(/[-T:]/g, ""), service: id, at };
    const snapshot = { ...made, size_bytes: 48_300_000, engine: engine ?? "docker", origin };
    this.saved = [snapshot, ...this.saved];
    return snapshot;
  }

  async restoreSnapshot(id: string, name: string): Promise<void> {
    await this.asked(`restore ${id} ${name}`, 2);
    const row = this.row(id);
    if (row) this.#discard(row, "replaced by a snapshot");
  }

  async removeSnapshot(id: string, name: string): Promise<void> {
    await this.asked(`unsave ${id} ${name}`);
    this.saved = this.saved.filter((saved) => saved.service !== id || saved.name !== name);
  }

  async trash(): Promise<TrashItem[]> {
    await this.asked("trash", 0.2);
    return this.trashItems;
  }

  async restoreTrash(id: string): Promise<void> {
    await this.asked(`untrash ${id}`);
    this.trashItems = this.trashItems.filter((item) => item.id !== id);
  }

  async emptyTrash(id: string | null): Promise<void> {
    await this.asked(`erase ${id ?? "all"}`);
    this.trashItems = id === null ? [] : this.trashItems.filter((item) => item.id !== id);
  }

  #discard({ id, engine, origin }: ServiceRow, why: string): void {
    const at = new Date().toISOString();
    const name = `${id.replace("/", "-")}-${at.slice(0, 19).replace(/[-:]/g, "")}`;
    const item = { id: name, service: id, origin, engine: engine ?? "docker", at, why };
    this.trashItems = [{ ...item, size_bytes: 52_000_000 }, ...this.trashItems];
  }

  #freeName(project: string, entry: string): string {
    let name = entry;
    for (let n = 2; this.row(`${project}/${name}`); n += 1) name = `${entry}-${n}`;
    return name;
  }

  #newRow(id: string, entry: string, version: string | null): ServiceRow {
    const item = this.items.find(({ name }) => name === entry);
    const native = this.view.engines.find(({ kind }) => kind === "native");
    return serviceRow(id, {
      entry,
      origin: `${item?.title ?? entry} ${version ?? item?.default_version ?? ""}`.trim(),
      engine: native?.id ?? this.view.engines[0]?.id ?? null,
      engine_reason: native ? "its server is installed here" : "your default",
      url: `${entry}://locald:s3cr3t-9f2c71@127.0.0.1:15432/locald`,
      masked_url: `${entry}://locald:…@127.0.0.1:15432/locald`,
      ports: [port(15432)],
    });
  }
}
