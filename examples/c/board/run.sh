#!/bin/sh
# Runs a program of build.sh in QEMU, in a folder with clip.f32: run.sh PROGRAM
# One nanosecond of the board's clock is one instruction.
set -eu
exec qemu-system-arm -M mps2-an386 -kernel "$1" -icount shift=0 -nographic -monitor none -serial none \
    -semihosting-config enable=on,target=native
