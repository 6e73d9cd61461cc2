# SPDX-License-Identifier: MIT
"""
The form of a frame that is saved as SVG: whole in one file.

Rich's own form loads a font from a server of others. Whoever looks at the picture of a dashboard should not tell
anybody, and may have no network.
"""

from __future__ import annotations

from typing import Final

__all__ = ["SVG"]

SVG: Final = """\
<svg class="enforcer" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: "DejaVu Sans Mono", "Liberation Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px;
  line-height: {line_height}px;
}}
.{unique_id}-title {{ font-family: sans-serif; font-size: 18px; font-weight: bold; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""What :meth:`rich.console.Console.save_svg` fills in; every piece of text has its length, whatever the font."""
