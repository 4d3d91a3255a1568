#!/bin/sh
# server.sh STATUS SAID SERVER ARGUMENT ..: runs the server. Writes the server's exit code, which no client reports, to the file
# STATUS. Copies everything that the server writes to stdout and stderr to the file SAID.
status=$1
said=$2
shift 2
{
    "$@" 2>>"$said"
    echo $? >>"$status"
} | tee -a "$said"
