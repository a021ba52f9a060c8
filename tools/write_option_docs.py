"""Write docs/options.md and docs/options.schema.json from the sections and components of the package."""

import argparse
import json
import sys
from pathlib import Path

# A clone need not be installed: the helpers are in this folder, `basicsr` beside it.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from option_schema import make_schema
from option_tables import write_markdown

DOCS = Path(__file__).resolve().parents[1] / 'docs'


def main(argv: list[str] | None = None) -> int:
    """Write the files, or with `--check` say which are out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--check', action='store_true', help='write nothing; exit with 1 when a file is out of date')
    parser.add_argument('--out', type=Path, default=DOCS, help='folder (default: docs)')
    args = parser.parse_args(argv)

    contents = {'options.md': write_markdown(), 'options.schema.json': json.dumps(make_schema(), indent=1) + '\n'}
    outdated = []
    for name, content in contents.items():
        file = args.out / name
        if not file.is_file() or file.read_text(encoding='utf-8') != content:
            outdated.append(name)
            if not args.check:
                file.write_text(content, encoding='utf-8')
    if args.check and outdated:
        print(f'out of date: {", ".join(outdated)}; run python tools/write_option_docs.py', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
