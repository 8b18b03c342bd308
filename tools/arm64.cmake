# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
# arm64 from another machine: Debian's cross compiler, its tests under qemu. What is not in the compiler's root (cmocka, xxHash) is
# looked for in build/arm64-root, where ./run arm64 puts it.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CROSSCOMPILING_EMULATOR "qemu-aarch64;-L;/usr/aarch64-linux-gnu")
set(calm_root ${CMAKE_CURRENT_LIST_DIR}/../build/arm64-root/usr)
set(CMOCKA_INCLUDE_DIR ${calm_root}/include CACHE PATH "")
set(CMOCKA_LIBRARY ${calm_root}/lib/aarch64-linux-gnu/libcmocka.so CACHE FILEPATH "")
set(XXHASH_INCLUDE_DIR ${calm_root}/include CACHE PATH "")
