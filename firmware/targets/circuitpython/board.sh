#!/bin/sh
# SPDX-License-Identifier: MIT
# A unix interpreter as a board: what it says and hears goes over a file descriptor, a directory is its working
# directory, and when its prompt ends it begins anew, as after a soft reset.
#
#   board.sh FD DIRECTORY prompt.py INTERPRETER [OPTION...]
fd=$1 prompt=$3
cd "$2" || exit 1
shift 3
mode=friendly
while :; do
    "$@" "$prompt" "$mode" <&"$fd" >&"$fd"
    case $? in # prompt.py says at which prompt to go on
        10) mode=friendly ;;
        11) mode=raw ;;
        *) exit 1 ;;
    esac
done
