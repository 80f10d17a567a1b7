export {AttachOptions, HttpAttachOptions} from './attach';
export {TollgateAuthorizer, TollgateAuthorizerProps} from './authorizer';
export {Plan, Quota, Throttle} from './plans';
export {Rule} from './rules';
