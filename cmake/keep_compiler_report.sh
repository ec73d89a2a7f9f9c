#!/bin/sh
# keep_compiler_report.sh OBJECT COMMAND...: runs the compiler's command and keeps what ptxas reports of the kernels in
# OBJECT.ptxas. Everything else that the compiler says passes through.
object=$1
shift
rm -f "$object.ptxas"
"$@" 2> "$object.stderr"
status=$?
# The lines that ptxas -v writes, and the figures under "Function properties".
report='^ptxas info|bytes stack frame'
grep -Ev "$report" "$object.stderr" >&2
grep -E "$report" "$object.stderr" > "$object.ptxas"
rm -f "$object.stderr"
exit $status
