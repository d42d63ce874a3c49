case :$PATH: in
*:/opt/aws/neuron/bin:*) ;;
*) PATH=/opt/aws/neuron/bin:$PATH ;;
esac
