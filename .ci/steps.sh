# The steps of a check: run, counted, and told about in the end. Read by .ci/run; `report` prints the last lines.
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
passed=0 failed=0 skipped=0
failed_steps=() failed_logs=()
here=$(dirname "${BASH_SOURCE[0]}")

# Adds the closing lines that `bun test` prints (" 12 pass", " 0 fail", " 1 skip") in a log. False when there are none.
count() {
  local pass fail skip
  pass=$(grep -aE '^ [0-9]+ pass$' "$1" | awk '{n += $1} END {print n + 0}')
  fail=$(grep -aE '^ [0-9]+ fail$' "$1" | awk '{n += $1} END {print n + 0}')
  skip=$(grep -aE '^ [0-9]+ (skip|todo)$' "$1" | awk '{n += $1} END {print n + 0}')
  passed=$((passed + pass)) failed=$((failed + fail)) skipped=$((skipped + skip))
  [ "$((pass + fail))" -gt 0 ]
}

# step NAME LIMIT_S COMMAND...: one step, counted as one test unless it runs tests itself.
step() {
  local name=$1 limit=$2 log begin rc=0 before how
  shift 2
  log=$out/${name// /_}.log
  begin=$SECONDS
  printf '== %s\n' "$name"
  timeout --kill-after=20 "$limit" "$@" >"$log" 2>&1 || rc=$?
  before=$failed
  if count "$log"; then
    # A run that broke off may not have counted its own failure.
    [ "$rc" -eq 0 ] || [ "$failed" -gt "$before" ] || failed=$((failed + 1))
  elif [ "$rc" -eq 0 ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
  fi
  if [ "$rc" -eq 0 ]; then
    printf '   ok, %d s\n' "$((SECONDS - begin))"
  else
    how="exit $rc"
    if [ "$rc" -eq 124 ] || [ "$rc" -eq 137 ]; then how="stopped after $limit s"; fi
    cat "$log"
    printf '   FAILED (%s), %d s\n' "$how" "$((SECONDS - begin))"
    failed_steps+=("$name ($how)")
    failed_logs+=("$log")
  fi
  return "$rc"
}

# skip NAME WHY: a step that cannot be taken here, counted as one skipped test.
skip() {
  printf '== %s\n   skipped: %s\n' "$1" "$2"
  skipped=$((skipped + 1))
}

# What failed, once more and short, since of a long output only the end may be kept: 60 lines for all steps together. The last
# line: "N passed, N failed", with ", N skipped" when something was. False when something failed.
report() {
  local line i share
  if [ ${#failed_steps[@]} -gt 0 ]; then
    share=$((56 / ${#failed_steps[@]} - 2))
    [ "$share" -ge 5 ] || share=5
    for i in "${!failed_steps[@]}"; do
      printf '\n== failed: %s\n' "${failed_steps[$i]}"
      awk -v max="$share" -f "$here/failures.awk" "${failed_logs[$i]}"
    done
    echo
  fi
  line="$passed passed, $failed failed"
  [ "$skipped" -eq 0 ] || line="$line, $skipped skipped"
  echo "$line"
  [ "$failed" -eq 0 ]
}
