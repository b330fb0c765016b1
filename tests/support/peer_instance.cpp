#include "support/peer.hpp"

template class tcpco::basic_stack<tcpco_test::conformance_policies>;
template class tcpco_test::wire_peer<tcpco_test::conformance_policies>;
template class tcpco_test::peer<tcpco_test::conformance_policies>;
