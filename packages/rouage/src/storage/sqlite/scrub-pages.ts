/** Overwrites the unused bytes of every b-tree page of a SQLite file. Format: https://sqlite.org/fileformat2.html#b_tree_pages */
import { fstatSync, readSync, writeSync } from "node:fs";

/** Pages read at once. */
const chunk = 256;
const zeros = Buffer.alloc(65_536);

/**
 * Overwrites with zeros what lies between the cell pointers and the cells, and inside free blocks, where it is not zero
 * already. Needs a file that nobody writes and whose write-ahead log is empty. Answers how many pages it changed.
 */
export function scrubPages(file: number): number {
  const header = Buffer.alloc(100);
  readSync(file, header, 0, 100, 0);
  const stored = header.readUInt16BE(16);
  const pageSize = stored === 1 ? 65_536 : stored;
  const usable = pageSize - header.readUInt8(20);
  const pages = Math.floor(fstatSync(file).size / pageSize);
  // The first byte tells b-tree pages from others only as long as page numbers fit into three bytes: 64 GiB of 4 KiB pages.
  if (pages >= 2 ** 24) throw new Error("the file has too many pages to be scrubbed");
  const buffer = Buffer.alloc(chunk * pageSize);
  let changed = 0;
  for (let first = 0; first < pages; first += chunk) {
    const length = readSync(file, buffer, 0, buffer.length, first * pageSize);
    for (let offset = 0; offset + pageSize <= length; offset += pageSize) {
      const page = buffer.subarray(offset, offset + usable);
      const start = first * pageSize + offset;
      if (scrubPage(page, start === 0 ? 100 : 0, (from, to) => writeSync(file, page, from, to - from, start + from))) {
        changed++;
      }
    }
  }
  return changed;
}

/** Clears the unused ranges of one page in place and hands those that were not clear to `write`. */
export function scrubPage(page: Buffer, start: number, write: (from: number, to: number) => void): boolean {
  const type = page.readUInt8(start);
  const interior = type === 2 || type === 5;
  if (!interior && type !== 10 && type !== 13) return false;
  const cells = page.readUInt16BE(start + 3);
  const content = page.readUInt16BE(start + 5) || 65_536;
  const unused: [from: number, to: number][] = [
    [start + (interior ? 12 : 8) + 2 * cells, Math.min(content, page.length)],
  ];
  // A free block begins with the offset of the next one and its own size.
  for (let block = page.readUInt16BE(start + 1); block !== 0 && block + 4 <= page.length; ) {
    unused.push([block + 4, Math.min(block + page.readUInt16BE(block + 2), page.length)]);
    const next = page.readUInt16BE(block);
    if (next <= block) break;
    block = next;
  }
  let changed = false;
  for (const [from, to] of unused) {
    if (from >= to || page.compare(zeros, 0, to - from, from, to) === 0) continue;
    page.fill(0, from, to);
    write(from, to);
    changed = true;
  }
  return changed;
}
