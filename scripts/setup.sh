# shellcheck shell=bash
# Sourced by the commands beside it. Makes a fresh checkout ready to run: .venv with the
# pinned packages, Java, the Delta Lake jar. What is ready is left alone, what a killed
# set-up left half-made is made again. Needs Python 3.11 to 3.13. Everything is said on
# standard error; what cannot be had ends the command with status 5.

root="$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"
venv="$root/.venv"
python="$venv/bin/python"
cd -- "$root" || exit 5

# In .venv: the hash of what was installed; the jar files that Spark resolved; and, while
# packages are being installed, the mark that says not to trust it.
packages_mark="$venv/.crm_spark_packages"
jars_mark="$venv/.crm_spark_jars"
unfinished_mark="$venv/.crm_spark_unfinished"

# Another Spark or Python of the user's shell must not leak in: the pyspark of .venv with
# jars, settings or packages of another version fails in ways that are hard to read.
unset SPARK_HOME SPARK_CONF_DIR PYSPARK_SUBMIT_ARGS PYSPARK_DRIVER_PYTHON PYTHONHOME PYTHONPATH
export PYSPARK_PYTHON="$python"
# Spark on this machine only. By default it looks up the machine's own name, and does not
# even start where that resolves to nothing, or to an address that a firewall closes.
export SPARK_LOCAL_IP="${SPARK_LOCAL_IP:-127.0.0.1}"
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "$*"
  exit 5
}

# run_logged LABEL COMMAND...: runs the command in silence and says the seconds it took,
# every 15 s those so far. Where it fails, shows the end of what it printed.
run_logged() {
  local label="$1" start=$SECONDS status=0 log ticker
  shift
  log="$(mktemp)"
  say "$label ..."
  # Holds none of our descriptors (9 is the lock): nobody is to wait for its last sleep.
  while sleep 15 2>/dev/null && kill -0 $$ 2>/dev/null; do
    say "$label ... $((SECONDS - start)) s so far"
  done >/dev/null 9>&- &
  ticker=$!
  "$@" >"$log" 2>&1 </dev/null || status=$?
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  if [ "$status" -eq 0 ]; then
    say "$label: done in $((SECONDS - start)) s"
  else
    tail -n 100 "$log" >&2
    say "$label: failed with status $status after $((SECONDS - start)) s"
  fi
  rm -f "$log"
  return "$status"
}

# ------------------------------------------------------------------- the system's packages

has() { command -v "$1" >/dev/null 2>&1; }

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi; }

may_be_root() { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }

apt_install() {
  # An old list, or one repository that is down, is no reason not to try.
  as_root apt-get update -q || true
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# ------------------------------------------------------------------ Python and its packages

is_supported='import sys; assert (3, 11) <= sys.version_info[:2] < (3, 14)'

# Prints the first Python that will do: only the one that PYTHON names, or else 3.11 before
# the others, since the pinned set is tested on it. Each is run, since a name on the PATH can
# be a version manager's stand-in for nothing.
find_python() {
  local candidate
  for candidate in "${PYTHON:-python3.11}" python3.12 python3.13 python3; do
    if "$candidate" -c "$is_supported; import ensurepip, venv" >/dev/null 2>&1; then
      printf '%s\n' "$candidate"
      return
    fi
    [ -z "${PYTHON:-}" ] || break
  done
  return 1
}

# What .venv is made from. The path counts too: the package is installed by its path.
packages_key() {
  "$python" -I - "$root" <<'PY'
import hashlib, pathlib, sys

root = pathlib.Path(sys.argv[1])
key = hashlib.sha256(repr((str(root), sys.version_info[:2])).encode())
for name in ("pyproject.toml", "constraints.txt"):
    key.update((root / name).read_bytes())
print(key.hexdigest())
PY
}

has_packages() {
  [ -x "$python" ] && [ ! -e "$unfinished_mark" ] && [ -e "$packages_mark" ] &&
    [ "$(packages_key 2>/dev/null)" = "$(cat "$packages_mark")" ]
}

set_up_python() {
  local label="$1 Python packages" base
  if has_packages; then
    say "$label: ready"
    return
  fi
  if ! base="$(find_python)" && has apt-get && may_be_root; then
    # Debian and Ubuntu keep what makes a virtual environment in a package of its own.
    run_logged "$1 Installing python3-venv" apt_install python3-venv || true
    base="$(find_python)" || true
  fi
  [ -n "$base" ] || fail "Found no Python 3.11, 3.12 or 3.13 that can make a virtual environment.
Install one (Debian, Ubuntu: python3 python3-venv), or set PYTHON to the path of one."

  if [ -e "$venv" ]; then
    if [ -e "$unfinished_mark" ]; then
      say "$1 .venv was left half-made: making it again"
      rm -rf "$venv"
    elif ! "$python" -c "$is_supported; import pip" >/dev/null 2>&1; then
      say "$1 .venv has no working Python 3.11 to 3.13 with pip: making it again"
      rm -rf "$venv"
    fi
  fi
  mkdir -p "$venv"
  : >"$unfinished_mark"
  rm -f "$packages_mark" "$jars_mark"
  if [ ! -x "$python" ]; then
    run_logged "$1 Virtual environment ($base)" "$base" -m venv "$venv" ||
      fail "Could not make $venv."
  fi
  # Not .venv/bin/pip: the first line of that script breaks where the path has a space.
  run_logged "$label, a minute or two the first time" \
    "$python" -m pip install --quiet -c constraints.txt -e ".[local,demo,test,dev]" ||
    fail "Could not install the Python packages; the reason is above."
  packages_key >"$packages_mark"
  rm -f "$unfinished_mark"
}

# --------------------------------------------------------------------------------- Java

# Prints the major version of the Java in that folder; nothing where none works.
java_version() {
  [ -z "$1" ] || [ ! -x "$1/bin/java" ] || "$1/bin/java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p'
}

# Takes the first Java 17 or 21 of: JAVA_HOME, the PATH, the usual folders. Sets JAVA_HOME.
find_java() {
  local home on_path=""
  if has java; then
    on_path="$(java -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java\.home = //p')" || true
  fi
  for home in "${JAVA_HOME:-}" "$on_path" \
    /usr/lib/jvm/* /usr/lib64/jvm/* /usr/java/* /opt/java/* /opt/jdk* \
    "${HOME:-}"/.sdkman/candidates/java/* "${HOME:-}"/.jdks/* \
    /opt/homebrew/opt/openjdk@* /usr/local/opt/openjdk@* /home/linuxbrew/.linuxbrew/opt/openjdk@* \
    /Library/Java/JavaVirtualMachines/*/Contents/Home \
    "${HOME:-}"/Library/Java/JavaVirtualMachines/*/Contents/Home; do
    case "$(java_version "$home")" in
      17 | 21)
        export JAVA_HOME="$home"
        return
        ;;
    esac
  done
  return 1
}

# First the release that Spark is tested on most, then the other: not every system has both.
install_java() {
  if [ "$(id -u)" -ne 0 ] && has brew; then
    brew install openjdk@17
  elif ! may_be_root; then
    echo "neither root nor sudo without a password"
    return 1
  elif has apt-get; then
    apt_install openjdk-17-jre-headless || apt_install openjdk-21-jre-headless
  elif has dnf; then
    as_root dnf install -y java-17-openjdk-headless || as_root dnf install -y java-21-openjdk-headless
  elif has yum; then
    as_root yum install -y java-17-openjdk-headless || as_root yum install -y java-21-openjdk-headless
  elif has zypper; then
    as_root zypper --non-interactive install java-17-openjdk-headless ||
      as_root zypper --non-interactive install java-21-openjdk-headless
  elif has apk; then
    as_root apk add openjdk17-jre-headless || as_root apk add openjdk21-jre-headless
  else
    echo "no package manager that this script knows"
    return 1
  fi
}

set_up_java() {
  local label="$1 Java"
  if ! find_java; then
    run_logged "$label: none of version 17 or 21 here, installing it" install_java || true
    find_java || fail "Spark needs Java 17 or 21, and it could not be installed from here. Install it:
  Debian, Ubuntu   sudo apt-get install openjdk-17-jre-headless   (or openjdk-21-jre-headless)
  Fedora, Red Hat  sudo dnf install java-17-openjdk-headless      (or java-21-openjdk-headless)
  SUSE             sudo zypper install java-17-openjdk-headless
  Alpine           sudo apk add openjdk17-jre-headless
  macOS            brew install openjdk@17
or, where there is one already, set JAVA_HOME to its folder."
  fi
  say "$label: ready ($JAVA_HOME)"
}

# --------------------------------------------------------------------------- Delta Lake

# The files themselves, since the cache they are in is the user's to clean.
has_jars() {
  local jar
  [ -s "$jars_mark" ] || return 1
  while IFS= read -r jar; do
    [ -s "$jar" ] || return 1
  done <"$jars_mark"
}

set_up_delta() {
  local label="$1 Delta Lake jar"
  if has_jars; then
    say "$label: ready"
    return
  fi
  rm -f "$jars_mark"
  run_logged "$label" "$python" scripts/fetch_delta.py "$jars_mark" ||
    fail "Spark could not be started with Delta Lake; the reason is above."
}

# ------------------------------------------------------------------------------ all of it

# One set-up at a time. The lock belongs to descriptor 9 and so to this process: the kernel
# frees it however the process ends. Where the file system has no locks, none is taken.
lock() {
  local base
  base="$(find_python)" || return 0
  exec 9<pyproject.toml
  "$base" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>/dev/null && return
  say "Waiting for another set-up of this checkout to end ..."
  "$base" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' 2>/dev/null || true
}

unlock() { exec 9<&-; }

set_up() {
  local start=$SECONDS
  if has_packages && find_java && has_jars; then
    say "Set-up: ready"
    return
  fi
  say "Set-up of $root"
  lock
  set_up_python "[1/3]"
  set_up_java "[2/3]"
  set_up_delta "[3/3]"
  unlock
  say "Set-up: done in $((SECONDS - start)) s"
}
