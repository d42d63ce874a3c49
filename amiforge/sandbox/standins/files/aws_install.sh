#!/bin/sh
# Stand-in for the installer of AWS CLI version 2, made by the amiforge sandbox: its options, messages and layout.
bin=/usr/local/bin install=/usr/local/aws-cli update=
while [ $# -gt 0 ]; do
    case $1 in
        -i|--install-dir) install=$2; shift ;;
        -b|--bin-dir) bin=$2; shift ;;
        -u|--update) update=1 ;;
        -h|--help) echo "usage: install [-i|--install-dir <path>] [-b|--bin-dir <path>] [-u|--update]"; exit 0 ;;
        *) echo "Unknown option: $1" >&2; exit 1 ;;
    esac
    shift
done
here=$(cd "$(dirname "$0")" && pwd) || exit
versions=$install/v2
if [ -e "$versions/current" ] && [ -z "$update" ]; then
    echo "Found preexisting AWS CLI installation: $versions/current. Please rerun install script with --update flag." >&2
    exit 1
fi
if [ -d "$versions/@VERSION@" ]; then
    echo "Found same AWS CLI version: $versions/@VERSION@. Skipping install."
    exit 0
fi
mkdir -p "$versions/@VERSION@/bin" && cp -R "$here/dist" "$versions/@VERSION@/dist" || exit
ln -s ../dist/aws "$versions/@VERSION@/bin/aws"
ln -s ../dist/aws_completer "$versions/@VERSION@/bin/aws_completer"
ln -sfn "$versions/@VERSION@" "$versions/current"
mkdir -p "$bin" || exit
ln -sfn "$versions/current/bin/aws" "$bin/aws"
ln -sfn "$versions/current/bin/aws_completer" "$bin/aws_completer"
echo "You can now run: $bin/aws --version"
