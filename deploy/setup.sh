#!/bin/bash
# Brings a bare Debian 12 (x86_64) with Rust to where plain `cargo build`, `cargo test` and
# `cargo run` work without environment variables: Debian packages, libtorch and MuJoCo in the
# user's cache, and .cargo/config.toml, which tells cargo where they are.
#
#   deploy/setup.sh           do what is missing; when nothing is: no network, a second
#   deploy/setup.sh --check   change nothing, say what is missing or wrong
#
# Owns ${XDG_CACHE_HOME:-~/.cache}/jacod and .cargo/config.toml. It must never write or delete
# anything else, and nothing in the cache gets its name before it is complete and checked.
set -euo pipefail

readonly RUST_NEEDED=1.95
readonly FREE_NEEDED_MIB=3072
# nasm: without it JPEG is compressed and decoded several times slower, in silence.
readonly PACKAGES=(ca-certificates g++ make nasm pkg-config libclang-dev libudev-dev libegl1
    libgl1-mesa-dri ffmpeg umockdev libumockdev-dev)
# Only needed where something has to be downloaded.
readonly DOWNLOAD_PACKAGES=(unzip)

# What a complete folder holds, checked before it gets its name. torch-sys 0.24 binds exactly
# this libtorch and mujoco-rs 7.0 exactly this MuJoCo.
readonly TORCH_FOLDER=libtorch-2.11.0-cpu
readonly TORCH_FILES='99ea9120891528198d73d477714adf14ec662dec467aca8a3940796ccd452e91  torch/lib/libtorch_cpu.so
c1840a555e30043ef02c02ee22b21d0687342a3ce82bc971ef2280520c20cd22  torch/lib/libtorch.so
be5e17cd7752a6af003978706379384c3108f6b68916bb1949e610f6397bb640  torch/lib/libc10.so
e28fb2896a3d612b46a27d7f8ef840d34c9efbc29b70a044c42095fb94856890  torch/lib/libgomp.so.1
96c42e418cec19054186b9429c321603cc190bf26a18104e19408117a2a817b0  nvidia/cu13/lib/libcudart.so.13
e2f9ed861fe27c492b8bb52b5e3220ef5120f3edcda36312e96b7fd8a186be3e  nvidia/cu13/lib/libcupti.so.13'
readonly MUJOCO_FOLDER=mujoco-3.17.0
readonly MUJOCO_FILES='23496b023ee80fb61ab71167e94bc649f9941710fde96b18bb8204fb332523ad  libmujoco.so.3.17.0
23496b023ee80fb61ab71167e94bc649f9941710fde96b18bb8204fb332523ad  libmujoco.so'
readonly STAMP=.jacod-setup

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: error: %s\n' "$*" >&2
    exit 1
}

# ---- checks that change nothing ------------------------------------------------------------

check_machine() {
    local machine version
    machine=$(uname -s)/$(uname -m)
    [ "$machine" = Linux/x86_64 ] ||
        fail "this machine is $machine; libtorch and MuJoCo are pinned for Linux/x86_64 only"
    { command -v cargo && command -v rustc; } >/dev/null ||
        fail "no Rust found: install Rust $RUST_NEEDED or newer with rustup, or put ~/.cargo/bin on PATH"
    version=$(rustc --version 2>&1 | cut -d' ' -f2)
    [ "$(printf '%s\n' "$RUST_NEEDED" "$version" | sort -V | head -n1)" = "$RUST_NEEDED" ] ||
        fail "Rust $version is too old: $RUST_NEEDED or newer is needed (rustup update stable)"
}

# Prints those of the packages named that are not installed.
missing_packages() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            printf '%s ' "$package"
    done
}

# verify FOLDER FILES: whether every file is there with its hash, and libraries find each other.
verify() {
    (cd "$1" 2>/dev/null && sha256sum --check --strict --quiet - <<<"$2" >/dev/null 2>&1) ||
        return 1
    [ "$(basename "$1")" != "$TORCH_FOLDER" ] || verify_torch "$1"
}

# A libtorch_cuda.so would make torch-sys link CUDA, so the CPU folder may hold none.
verify_torch() {
    [ -f "$1/torch/include/torch/csrc/api/include/torch/torch.h" ] &&
        [ ! -e "$1/torch/lib/libtorch_cuda.so" ] &&
        ! ldd "$1/torch/lib/libtorch_cpu.so" | grep -q 'not found'
}

# stamped FOLDER FILES: whether set-up finished this very folder before.
stamped() { [ "$(cat "$1/$STAMP" 2>/dev/null)" = "$2" ]; }

cargo_config() {
    printf '[env]\n'
    printf 'LIBTORCH = "%s/torch"\n' "$cache/$TORCH_FOLDER"
    printf 'LIBTORCH_CXX11_ABI = "1"\n'
    printf 'MUJOCO_DYNAMIC_LINK_DIR = "%s"\n' "$cache/$MUJOCO_FOLDER"
}

check_all() {
    local wrong=0 missing
    report() {
        wrong=1
        printf 'setup: wrong: %s\n' "$*" >&2
    }
    missing=$(missing_packages "${PACKAGES[@]}")
    [ -z "$missing" ] || report "Debian packages not installed: $missing"
    verify "$cache/$TORCH_FOLDER" "$TORCH_FILES" ||
        report "$cache/$TORCH_FOLDER is missing or is not the pinned libtorch 2.11.0"
    verify "$cache/$MUJOCO_FOLDER" "$MUJOCO_FILES" ||
        report "$cache/$MUJOCO_FOLDER is missing or is not the pinned MuJoCo 3.17.0"
    [ "$(cat .cargo/config.toml 2>/dev/null)" = "$(cargo_config)" ] ||
        report ".cargo/config.toml is missing or does not name the folders in $cache"
    [ $wrong = 0 ] || fail "run make setup"
    say "all in place: $(rustc --version), libtorch 2.11.0 and MuJoCo 3.17.0 in $cache"
}

# ---- steps that change something -----------------------------------------------------------

install_packages() {
    local missing as_root=()
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null ||
        fail "no apt-get here (Debian 12 is expected); install what corresponds to: $missing"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null ||
            fail "not root and no sudo; run as root: apt-get install --no-install-recommends $missing"
        as_root=(sudo)
    fi
    say "installing Debian packages: $missing"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
        apt-get -qq -o DPkg::Lock::Timeout=600)
    # Another apt may hold the package lists; those at hand may do, so only installing decides.
    "${apt[@]}" update >"$work/apt.log" 2>&1 || true
    # shellcheck disable=SC2086 # the list is meant to be split
    "${apt[@]}" install -y --no-install-recommends $missing >>"$work/apt.log" 2>&1 || {
        tail -n 5 "$work/apt.log" >&2
        fail "apt-get could not install: $missing(no network, a full disk or a held package: see above)"
    }
}

# Sets `pip` to a pip that works, whichever Python it belongs to.
find_pip() {
    local candidate
    for candidate in "python3 -m pip" "/usr/bin/python3 -m pip" pip3 pip; do
        read -ra pip <<<"$candidate"
        ! "${pip[@]}" --version >/dev/null 2>&1 || return 0
    done
    install_packages python3-pip
    pip=(/usr/bin/python3 -m pip)
}

# fetch REQUIREMENT WHEEL SHA256 PLATFORM IMPLEMENTATION ABI MIB: the wheel, checked, in
# downloads/. The tags make every pip take the same file, whatever Python it runs on: only the
# C++ libraries inside are used.
fetch() {
    local requirement=$1 wheel=$2 sha256=$3 platform=$4 implementation=$5 abi=$6 mib=$7
    local file=$cache/downloads/$wheel quiet=(-q)
    if [ -f "$file" ] && sha256sum --check --quiet - <<<"$sha256  $file" >/dev/null 2>&1; then
        return
    fi
    say "downloading $requirement ($mib MiB)"
    [ ! -t 1 ] || quiet=()
    PIP_REQUIRE_VIRTUALENV=false PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 \
        "${pip[@]}" "${quiet[@]}" download --no-deps --no-cache-dir --only-binary=:all: \
        --python-version 311 --implementation "$implementation" --abi "$abi" \
        --platform "$platform" --dest "$work" "$requirement" 2>"$work/pip.log" || {
        grep -v '^WARNING: Retrying' "$work/pip.log" | tail -n 3 >&2
        [ "$(free_mib "$work")" -gt "$mib" ] || fail "disk full while downloading $requirement"
        fail "could not download $requirement: no network, or the package index cannot be reached"
    }
    [ -f "$work/$wheel" ] || fail "pip fetched another file than $wheel for $requirement"
    sha256sum --check --quiet - <<<"$sha256  $work/$wheel" >/dev/null 2>&1 ||
        fail "$wheel does not have the pinned SHA-256 $sha256: not using it"
    mv "$work/$wheel" "$file"
}

# unpack WHEEL FOLDER PATTERN..: those members of the wheel, below the folder.
unpack() {
    local wheel=$1 folder=$2
    shift 2
    unzip -qo "$cache/downloads/$wheel" "$@" -d "$folder" 2>"$work/unzip.log" || {
        tail -n 1 "$work/unzip.log" >&2
        fail "could not unpack $wheel into $folder (is the disk full?)"
    }
}

free_mib() { df --output=avail -m "$1" | tail -n1 | tr -d ' '; }

need_space() {
    local free
    free=$(free_mib "$cache")
    [ "$free" -ge "$FREE_NEEDED_MIB" ] ||
        fail "$cache has $free MiB free; $FREE_NEEDED_MIB MiB are needed"
}

make_torch() {
    local torch=torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl
    local cudart=nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl
    local cupti=nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl
    fetch torch==2.11.0 $torch \
        7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a \
        manylinux_2_28_x86_64 cp cp311 506
    # libtorch_cpu.so of this wheel needs these two even where there is no GPU.
    fetch nvidia-cuda-runtime==13.0.96 $cudart \
        7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548 \
        manylinux2014_x86_64 py none 3
    fetch nvidia-cuda-cupti==13.0.85 $cupti \
        4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8 \
        manylinux_2_25_x86_64 py none 11
    say "unpacking libtorch (the CPU part of it)"
    unpack $torch "$1" 'torch/include/*' torch/version.py torch/lib/libc10.so \
        torch/lib/libgomp.so.1 torch/lib/libtorch.so torch/lib/libtorch_cpu.so \
        torch/lib/libtorch_global_deps.so 'torch-2.11.0.dist-info/licenses/*'
    unpack $cudart "$1" nvidia/cu13/lib/libcudart.so.13 '*.dist-info/licenses/*'
    unpack $cupti "$1" nvidia/cu13/lib/libcupti.so.13 '*.dist-info/licenses/*'
    used_wheels=("$torch" "$cudart" "$cupti")
}

make_mujoco() {
    local wheel=mujoco-3.17.0-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl
    fetch mujoco==3.17.0 $wheel \
        d66928d86a2d1b601bbaa4dc11db50214d17d5301bb8afd84721313b67ff0874 \
        manylinux_2_28_x86_64 cp cp311 26
    unpack $wheel "$work" mujoco/libmujoco.so.3.17.0 'mujoco-3.17.0.dist-info/licenses/*'
    mkdir "$1"
    mv "$work"/mujoco/libmujoco.so.3.17.0 "$work"/mujoco-3.17.0.dist-info/licenses "$1"
    ln -s libmujoco.so.3.17.0 "$1/libmujoco.so"
    used_wheels=("$wheel")
}

# provide FOLDER FILES MAKER: leaves a checked $cache/FOLDER with its stamp.
provide() {
    local folder=$1 files=$2 maker=$3 place=$cache/$1
    ! stamped "$place" "$files" || return 0
    if [ -e "$place" ]; then
        if verify "$place" "$files"; then
            printf '%s\n' "$files" >"$place/$STAMP"
            say "$place was complete; kept as it is"
            return
        fi
        [ -e "$place/$STAMP" ] ||
            fail "$place is not what set-up would put there: move it away and run again"
    fi
    need_space
    install_packages "${DOWNLOAD_PACKAGES[@]}"
    [ -n "${pip[*]}" ] || find_pip
    local fresh=$work/$folder
    $maker "$fresh"
    verify "$fresh" "$files" || fail "$folder came out incomplete: please report this as a bug"
    printf '%s\n' "$files" >"$fresh/$STAMP"
    [ ! -e "$place" ] || mv "$place" "$work/old-$folder"
    mv "$fresh" "$place"
    (cd "$cache/downloads" && rm -f "${used_wheels[@]}")
    say "$place is ready; the downloaded wheels were removed to save disk space"
}

write_cargo_config() {
    local wanted
    wanted=$(cargo_config)
    [ "$(cat .cargo/config.toml 2>/dev/null)" != "$wanted" ] || return 0
    mkdir -p .cargo
    printf '%s\n' "$wanted" >.cargo/config.toml.new
    mv .cargo/config.toml.new .cargo/config.toml
    say "wrote .cargo/config.toml"
}

# ---- main ----------------------------------------------------------------------------------

cd "$(dirname "$(readlink -f "$0")")/.."
cache=${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/jacod
case $cache in
/*[\"\\]*) fail "the cache folder $cache has a quote or backslash in its name: set XDG_CACHE_HOME" ;;
/*) ;;
*) fail "XDG_CACHE_HOME must be an absolute path, not $cache" ;;
esac
pip=() used_wheels=() work=

check_machine
case ${1-} in
'') ;;
--check)
    check_all
    exit
    ;;
*) fail "unknown argument $1: deploy/setup.sh [--check]" ;;
esac

mkdir -p "$cache/downloads" 2>/dev/null || fail "cannot make $cache/downloads: check who owns it"
exec 9>"$cache/.lock"
flock -n 9 || {
    say "another set-up is running; waiting for it"
    flock 9
}
# What an earlier, killed set-up left; the lock says that none is running.
rm -rf "$cache"/.unpacking.*
work=$(mktemp -d "$cache/.unpacking.XXXXXX")
trap 'rm -rf "$work"' EXIT

install_packages "${PACKAGES[@]}"
provide "$TORCH_FOLDER" "$TORCH_FILES" make_torch
provide "$MUJOCO_FOLDER" "$MUJOCO_FILES" make_mujoco
write_cargo_config
say "ready"
