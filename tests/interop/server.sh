#!/bin/sh
# server.sh STATUS SAID SERVER ARGUMENT ..: runs the server. Writes the server's exit code, which no client reports, to the file
# STATUS. Copies the server's stdout to the file SAID, and redirects its stderr there.
status=$1
said=$2
shift 2
{
    "$@" 2>>"$said"
    echo $? >>"$status"
} | tee -a "$said"
