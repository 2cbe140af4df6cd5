#!/bin/sh
# Builds main.c with a model for a Cortex-M4F: build.sh MODEL_FOLDER PROGRAM
# Debian packages: gcc-arm-none-eabi libnewlib-arm-none-eabi, and qemu-system-arm to run it.
set -eu
here=$(dirname "$0")
arm-none-eabi-gcc -std=c99 -O2 -ffp-contract=fast -ffunction-sections -fdata-sections \
    -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16 \
    --specs=rdimon.specs -nostartfiles -T "$here/mps2.ld" -Wl,--gc-sections \
    -I"$1" -o "$2" "$here/startup.c" "$here/main.c" "$1/model.c" -lm
