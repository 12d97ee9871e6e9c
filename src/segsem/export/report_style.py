"""Look of the report: one column of plain type, printed on A4 as it is shown."""

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: #1c1c1c;
  font: 14px/1.45 "Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 40px; }
h1 { font-size: 26px; font-weight: 600; margin: 2px 0 14px; overflow-wrap: anywhere; }
h2 { font-size: 18px; font-weight: 600; margin: 34px 0 10px; padding-bottom: 4px;
  border-bottom: 1px solid #1c1c1c; }
h3 { font-size: 14px; font-weight: 600; margin: 0 0 6px; }
.kind { margin: 0; color: #555; letter-spacing: .02em; }
.verdict { font-size: 18px; margin: 0 0 10px; padding: 9px 14px; border-left: 6px solid; }
.verdict.pass { background: #eef6f0; border-color: #2e7d4f; }
.verdict.warn { background: #fdf5e3; border-color: #b97a00; }
.verdict.fail { background: #fbecea; border-color: #b3261e; }
.mark { font-weight: 600; white-space: nowrap; overflow-wrap: normal; }
.mark.pass { color: #2e7d4f; } .mark.warn { color: #8a5a00; } .mark.fail { color: #b3261e; }
.columns { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 2fr); gap: 28px;
  margin: 18px 0; }
section:not(.first) .columns { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: 3px 10px 3px 0;
  overflow-wrap: anywhere; }
.data { font-size: 12.5px; margin: 6px 0 14px; }
.data th { font-weight: 600; border-bottom: 1px solid #999; overflow-wrap: normal; }
.data td { border-bottom: 1px solid #e4e4e4; }
.data td.number { white-space: nowrap; }
.facts th { font-weight: 400; color: #555; width: 55%; }
.facts td { font-weight: 600; }
.sign { margin-top: 26px; }
.sign th { font-weight: 400; color: #555; width: 25%; }
.sign td { height: 38px; border-bottom: 1px solid #1c1c1c; }
ul { margin: 6px 0 6px; padding-left: 20px; }
figure { margin: 0; break-inside: avoid; }
figcaption { font-size: 12px; color: #333; margin-top: 4px; overflow-wrap: anywhere; }
.plot { width: 100%; height: auto; display: block; }
.share { height: 26px; display: block; width: 100%; }
.sample { width: 44px; height: 8px; vertical-align: middle; background: #3a3a3a; padding: 0; }
.picture { width: 100%; aspect-ratio: 1; display: block; background: #3a3a3a; }
.pictures { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 18px 14px; }
.legend { font-size: 12px; } .legend span { margin-right: 18px; white-space: nowrap; }
.legend i { display: inline-block; width: 44px; height: 8px; vertical-align: middle; }
.note, .none { color: #555; font-size: 12.5px; }
code { font-size: 12.5px; }
@media (max-width: 760px) {
  main { padding: 18px; }
  .columns, section:not(.first) .columns { grid-template-columns: minmax(0, 1fr); }
  .pictures { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .wide { display: block; overflow-x: auto; }
}
@media print {
  @page { size: A4; margin: 14mm; }
  main { max-width: none; padding: 0; }
  body { font-size: 10.5pt; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  .first { break-after: page; }
  tr { break-inside: avoid; }
  h2 { break-after: avoid; }
}
"""
