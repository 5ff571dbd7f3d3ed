# The log of a failed step in at most `max` lines: each test that failed, with the first lines of what bun said of it. Of a step
# that names no test (a compiler, a lint, a simulation), and of a run that was broken off, the last lines.
# usage: awk -v max=60 -f failures.awk LOG

function short(line) { return length(line) > 240 ? substr(line, 1, 237) "..." : line }

function lastLines(many,   i) {
  for (i = all > many ? all - many + 1 : 1; i <= all; i++) print short(line[i])
}

{ gsub(/\033\[[0-9;]*m/, ""); sub(/\r$/, "") }
NF > 0 { line[++all] = $0 }

/^bun test v/ { running = 1 }
/^Ran [0-9]+ tests? across / { running = 0 }

# bun says why before it says of which test. A log that comes before may hold such a line, too: the last one counts.
/^[A-Za-z]*[Ee]rror: / || /^E[A-Z]+: / { said = 0; place = 0; inTest = 0; listening = 1 }

/^\(fail\) / {
  # The names are repeated in the end of a long run.
  if (!($0 in seen)) {
    seen[$0] = 1
    name[++tests] = short($0)
    lines[tests] = said
    for (i = 1; i <= said; i++) text[tests, i] = why[i]
    late = 1
  }
  said = 0; listening = 0
  next
}
late && /timed out/ { text[tests, ++lines[tests]] = short($0) }
{ late = 0 }

/^\((pass|skip|todo)\) / { said = 0; listening = 0 }

listening && NF > 0 {
  # Of the places the first one, and the first one in a test.
  at = /^ +at /
  test = at && /\.test\.ts:/
  if (!at || !place || (test && !inTest)) why[++said] = short($0)
  if (at) place = 1
  if (test) inTest = 1
}

END {
  if (tests == 0) { lastLines(max); exit }
  if (running) max -= 10
  shown = 2 * tests < max ? tests : int((max - 1) / 2)
  each = int((max - 1) / shown) - 1
  if (each > 9) each = 9
  for (t = 1; t <= shown; t++) {
    print name[t]
    for (i = 1; i <= lines[t] && i <= each; i++) print "    " text[t, i]
  }
  if (tests > shown) print "and " (tests - shown) " more that failed"
  if (running) { print "Broken off; the last lines:"; lastLines(9) }
}
