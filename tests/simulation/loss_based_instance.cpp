#include "simulation/any_bundles.hpp"

template class tcpco::basic_stack<tcpco_test::go_back_n_bundle>;
template class tcpco::basic_stack<tcpco_test::new_reno_bundle>;
template class tcpco_test::simulation<tcpco_test::go_back_n_bundle>;
template class tcpco_test::simulation<tcpco_test::new_reno_bundle>;
