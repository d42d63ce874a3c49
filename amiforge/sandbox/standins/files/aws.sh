#!/bin/sh
# Stand-in for AWS CLI version 2, made by the amiforge sandbox: it knows its version and nothing else.
case ${1-} in
    --version) echo "aws-cli/@VERSION@ Python/3.13.7 Linux/$(uname -r) exe/$(uname -m).amzn.2023" ;;
    *) echo "aws: stand-in of the amiforge sandbox, makes no calls" >&2; exit 252 ;;
esac
