# Sourced by the scripts that need Python packages: virtual environments, kept in the cache folder.
export PYTHONDONTWRITEBYTECODE=1

# environment FOLDER REQUIREMENTS [BASE]: a virtual environment, if need be over the packages of another.
environment() {
  local folder="$1" requirements="$2" base="${3:-}" wanted
  wanted="$(python3 --version; cat "$requirements" ${base:+"$base/installed.txt"})"
  [ "$(cat "$folder/installed.txt" 2>/dev/null)" != "$wanted" ] || return 0
  say "Installing Python packages into $folder (minutes, once)"
  rm -rf "$folder"
  python3 -m venv "$folder"
  if [ -n "$base" ]; then
    "$base/bin/python" -c 'import site; print(site.getsitepackages()[0])' \
      >"$("$folder/bin/python" -c 'import site; print(site.getsitepackages()[0])')/base.pth"
  fi
  "$folder/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check -r "$requirements"
  echo "$wanted" >"$folder/installed.txt"
}
