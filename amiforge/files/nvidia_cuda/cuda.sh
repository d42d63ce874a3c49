# The chosen CUDA toolkit's programs. Its libraries are found by the linker's own configuration, so that services find
# them too, and LD_LIBRARY_PATH stays as it is.
case :$PATH: in
  *:/usr/local/cuda/bin:*) ;;
  *) PATH=/usr/local/cuda/bin:$PATH ;;
esac
