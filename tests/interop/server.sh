#!/bin/sh
# server.sh STATUS SERVER ARGUMENT ..: runs the server and notes its exit code, which no client tells.
status=$1
shift
"$@"
echo $? >>"$status"
