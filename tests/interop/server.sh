#!/bin/sh
# server.sh STATUS SAID SERVER ARGUMENT ..: runs the server; notes its exit code, which no client tells, and all that it
# says to its client, on stdout and on stderr.
status=$1
said=$2
shift 2
{
    "$@" 2>>"$said"
    echo $? >>"$status"
} | tee -a "$said"
