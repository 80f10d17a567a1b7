import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {inflateRawSync} from 'node:zlib';
import {Architecture} from 'aws-cdk-lib/aws-lambda';

/** `e_machine` of an ELF executable's header. */
const MACHINES: Record<number, string> = {
  0x3e: Architecture.X86_64.name, 0xb7: Architecture.ARM_64.name,
};

/** Returns the path of a package, `NAME-arm64.zip` or `NAME-x86_64.zip`, for this architecture. */
export function packagePath(folder: string, name: string, architecture: Architecture): string {
  const file = join(folder, `${name}-${architecture.name}.zip`);
  if (!existsSync(file)) {
    throw new Error(`no package \`${file}\`: download it from the release, or build it with ` +
      '`tests/scripts/release`, and name its folder in `packages`');
  }
  const machine = machineOf(readFileSync(file));
  if (machine !== architecture.name) {
    throw new Error(`\`${file}\` is built for ${machine}, not for ${architecture.name}: take the ` +
      `other package, or set \`architecture\``);
  }
  return file;
}

/** Reads the header of `bootstrap`, which must be the archive's first entry. */
function machineOf(archive: Buffer): string {
  try {
    const [method, packed] = [archive.readUInt16LE(8), archive.readUInt32LE(18)];
    const [name, extra] = [archive.readUInt16LE(26), archive.readUInt16LE(28)];
    const at = 30 + name + extra;
    const data = archive.subarray(at, at + packed);
    const isZip = archive.readUInt32LE(0) === 0x04034b50;
    if (!isZip || archive.subarray(30, 30 + name).toString() !== 'bootstrap') throw new Error();
    const executable = method === 0 ? data : inflateRawSync(data);
    if (executable.readUInt32BE(0) !== 0x7f454c46) throw new Error();
    return MACHINES[executable.readUInt16LE(18)] ?? 'another processor';
  } catch {
    return 'no processor (it has no executable `bootstrap`)';
  }
}
