#!/bin/sh
# Stand-in for nvcc, made by the amiforge sandbox: it knows which GPUs its release compiles for, and "compiles" by
# writing down for which ones it was asked.
release=$(echo @VERSION@ | cut -d . -f 1,2)
if [ "${1-}" = --version ]; then
    echo "nvcc: NVIDIA (R) Cuda compiler driver (stand-in of the amiforge sandbox)"
    echo "Cuda compilation tools, release $release, V@VERSION@"
    exit 0
fi
case $release in
    12.4) known=" 50 52 53 60 61 62 70 72 75 80 86 87 89 90 " ;;
    12.9) known=" 50 52 53 60 61 62 70 72 75 80 86 87 89 90 100 101 103 120 121 " ;;
    *) known=" 75 80 86 87 88 89 90 100 103 110 120 121 " ;;
esac
output=a.out list= inputs=
while [ $# -gt 0 ]; do
    case $1 in
        -o) output=$2; shift ;;
        -gencode=arch=compute_*,code=*)
            asked=${1##*_}
            case $known in *" $asked "*) ;; *) echo "nvcc fatal   : Unsupported gpu architecture 'compute_$asked'" >&2; exit 1 ;; esac
            case $1 in *code=sm_*) list="$list $asked" ;; esac ;;
        -*) ;;
        *) [ -e "$1" ] || { echo "nvcc fatal   : Could not open input file '$1'" >&2; exit 1; }; inputs="$inputs $1" ;;
    esac
    shift
done
n=0
{
    cat $inputs
    for each in $list; do
        n=$((n + 1))
        echo "ELF file    $n: $(basename "$output").$n.sm_$each.cubin"
    done
} >"$output" && chmod 755 "$output"
