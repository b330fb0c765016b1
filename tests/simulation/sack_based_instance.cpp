#include "simulation/any_bundles.hpp"

template class tcpco::basic_stack<tcpco_test::sack_bundle>;
template class tcpco::basic_stack<tcpco_test::rack_bundle>;
template class tcpco_test::simulation<tcpco_test::sack_bundle>;
template class tcpco_test::simulation<tcpco_test::rack_bundle>;
